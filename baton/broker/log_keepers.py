"""Which executors may have the log of a run on their disk."""

from __future__ import annotations

from redis import Redis

from . import control, presence


def keepers(redis: Redis, app_name: str, log_id: int, executor_address: str) -> list[str]:
    """The executor that has the run; else the one that had it; else the others of that one's host.

    A worker that was replaced leaves its files to those that run beside it.
    """
    holder = control.running(redis, app_name, [log_id]).get(log_id)
    if holder:
        return [holder]
    present = [each.executor_id for each in presence.executors(redis, app_name)]
    if executor_address in present:
        return [executor_address]
    return [each for each in present if executor_address and _host(each) == _host(executor_address)]


def _host(executor_id: str) -> str:
    """The host in `<host>-<pid>-<nonce>`."""
    return executor_id.rsplit("-", 2)[0]
