"""Kill a run; drain an executor; look into lanes. Spoken by the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from redis import Redis

from . import scripts
from .keys import GroupKeys


class CancelVerdict(StrEnum):
    """What a cancellation met."""

    STOPPING = "stopping"
    """It runs; its executor was told. The ending arrives as a result."""
    ENDED = "ended"
    """It waited in its lane and is ended now."""
    FLAGGED = "flagged"
    """It ends instead of starting when its turn comes."""
    GONE = "gone"
    """It neither waits nor runs: its result is on the way."""


def cancel(redis: Redis, app_name: str, log_id: int, lane: str, reason: str) -> CancelVerdict:
    """End a waiting run, or have a running one stopped. `reason` stands in its ending."""
    keys = GroupKeys(app_name)
    answer = scripts.load("cancel").run(redis, keys, [keys.prefix, log_id, lane, reason])
    return CancelVerdict(answer.decode())


@dataclass(frozen=True, slots=True)
class Drain:
    """Somebody wants an executor to claim nothing new."""

    by: str
    at_ms: int


def drain(redis: Redis, app_name: str, executor_id: str, by: str, now_ms: int) -> bool:
    """Let an executor finish what it has and claim nothing new; False if it is not there."""
    return _tell(redis, app_name, executor_id, f"{now_ms}|{by}")


def resume(redis: Redis, app_name: str, executor_id: str) -> bool:
    """Let an executor claim again; False if it is not there."""
    return _tell(redis, app_name, executor_id, "")


def drains(redis: Redis, app_name: str) -> dict[str, Drain]:
    """The executors of a group that shall claim nothing new, by id."""
    words = cast(dict[bytes, bytes], redis.hgetall(GroupKeys(app_name).named("drains")))
    found = {}
    for executor, word in words.items():
        at_ms, _, by = word.decode().partition("|")
        found[executor.decode()] = Drain(by, int(at_ms))
    return found


def _tell(redis: Redis, app_name: str, executor_id: str, word: str) -> bool:
    keys = GroupKeys(app_name, executor_id)
    return bool(scripts.load("drain").run(redis, keys, [executor_id, word]) == b"told")


def running(redis: Redis, app_name: str, log_ids: Sequence[int]) -> dict[int, str]:
    """Which of these runs are leased now, and to which executor."""
    leases = _leases(redis, app_name, log_ids)
    return {log_id: lease.split(b"|", 2)[1].decode() for log_id, lease in leases.items()}


def running_since(redis: Redis, app_name: str, log_ids: Sequence[int]) -> dict[int, int]:
    """Since when those of these runs that are leased now are, epoch milliseconds by the clock of Redis."""
    leases = _leases(redis, app_name, log_ids)
    return {log_id: int(lease.split(b"|", 4)[3]) for log_id, lease in leases.items()}


def first_ready(redis: Redis, app_name: str) -> tuple[bytes, float] | None:
    """The lane that is served next in a group, and its turn; None if no shared lane has work and a slot."""
    found = cast(
        list[tuple[bytes, float]], redis.zrange(GroupKeys(app_name).named("ready"), 0, 0, withscores=True)
    )
    return found[0] if found else None


def held(redis: Redis, app_name: str) -> int:
    """How many runs of a group executors have a lease on."""
    return redis.hlen(GroupKeys(app_name).named("leases"))


def _leases(redis: Redis, app_name: str, log_ids: Sequence[int]) -> dict[int, bytes]:
    if not log_ids:
        return {}
    leases = cast(
        list[bytes | None],
        redis.hmget(GroupKeys(app_name).named("leases"), [str(log_id) for log_id in log_ids]),
    )
    return {log_id: lease for log_id, lease in zip(log_ids, leases, strict=True) if lease is not None}


def lane_depths(redis: Redis, app_name: str, lanes: Sequence[str]) -> dict[str, int]:
    """How many messages wait in each lane."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for lane in lanes:
            pipeline.llen(keys.queue(lane))
        return dict(zip(lanes, pipeline.execute(), strict=True))
