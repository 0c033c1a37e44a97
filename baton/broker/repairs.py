"""Puts right what the invariant scanner found: each repair is safe whatever has happened since.

What only a living part can decide is handed to it: an executor that nobody watches is given a beat that
stands still, so that the watcher declares it dead and takes back what it had, with all its evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from redis import Redis

from . import control, inventory, keyspace, recovery, scripts
from .keys import RESULTS_GROUP, GroupKeys, job_of, owner_of, place_of
from .keyspace import Names

_AT_A_TIME = 100
ENDED = "the row of this run has ended"


def mend_lanes(redis: Redis, app_name: str, lanes: Sequence[str]) -> None:
    """Make invariant R hold for these lanes, and free slots that no run has."""
    recovery.repair_ready(redis, app_name, lanes)


def take_out_of_ready(redis: Redis, app_name: str, lanes: Sequence[str]) -> None:
    """Take these lanes out of the ready sets in which they do not belong."""
    for owner in keyspace.walk(redis).get(app_name, Names()).of_family["ready"]:
        for lane in lanes:
            if owner_of(lane) != owner:
                redis.zrem(GroupKeys(app_name).ready(owner), lane)


def restore_leases(redis: Redis, app_name: str, log_ids: Sequence[int]) -> None:
    """Give the leases of these runs the slots back, and the executors who watches them."""
    keys = GroupKeys(app_name)
    for start in range(0, len(log_ids), _AT_A_TIME):
        scripts.load("restore").run(redis, keys, [keys.prefix, *log_ids[start : start + _AT_A_TIME]])


def let_watcher_decide(redis: Redis, app_name: str, executor_ids: Sequence[str]) -> None:
    """Let the watcher take back what these executors left behind, lanes that only they could serve too."""
    queues = keyspace.walk(redis).get(app_name, Names()).of_family["queue"]
    for executor_id in executor_ids:
        keys = GroupKeys(app_name, executor_id)
        with redis.pipeline(transaction=True) as pipeline:
            for lane in queues:
                if lane.endswith(f"@{executor_id}"):
                    pipeline.sadd(keys.named("own"), lane)
            pipeline.hsetnx(keys.named("beats"), executor_id, "0")
            pipeline.execute()


def end_waiting(redis: Redis, app_name: str, runs: Sequence[tuple[int, str]]) -> None:
    """Take the messages of these (log id, lane) out: their rows have ended; they must not run again."""
    for log_id, lane in runs:
        control.cancel(redis, app_name, log_id, lane, ENDED)


def drop_flags(redis: Redis, app_name: str, log_ids: Sequence[int]) -> None:
    """Forget what was asked of runs that have ended."""
    keys, names = GroupKeys(app_name), [str(log_id) for log_id in log_ids]
    for start in range(0, len(names), _AT_A_TIME):
        for key in ("cancels", "reruns"):
            redis.hdel(keys.named(key), *names[start : start + _AT_A_TIME])


def forget_jobs(redis: Redis, app_name: str, job_ids: Collection[int]) -> None:
    """Forget what was known about the lanes of jobs that are gone; a lane in which something waits stays."""
    keys, jobs = GroupKeys(app_name), {str(job_id) for job_id in job_ids}
    for key in ("facts", "needs"):
        for raw in cast(list[bytes], redis.hkeys(keys.named(key))):
            lane = raw.decode("utf-8", "backslashreplace")
            if job_of(lane) in jobs and not redis.exists(keys.queue(lane)):
                redis.hdel(keys.named(key), raw)
    for job_id in job_ids:
        redis.hdel(keys.named("turns"), str(job_id))
        lanes = cast(set[bytes], redis.smembers(keys.siblings(job_id)))
        if not any(redis.exists(keys.queue(lane.decode("utf-8", "backslashreplace"))) for lane in lanes):
            redis.delete(keys.siblings(job_id))


def dismiss_consumers(redis: Redis, app_name: str, names: Sequence[str]) -> None:
    """Let the stream forget these consumers, unless one of them has something: that would be lost."""
    keys = GroupKeys(app_name)
    scripts.load("dismiss").run(redis, keys, [RESULTS_GROUP, *names])


def raise_token(redis: Redis, app_name: str) -> None:
    """Let the next token outrank those of all leases. The counter only grows, whoever else moves it."""
    keys = GroupKeys(app_name)
    leases = cast(dict[bytes, bytes], redis.hgetall(keys.named("leases")))
    newest = max((int(lease.partition(b"|")[0]) for lease in leases.values()), default=0)
    last = int(cast(bytes, redis.get(keys.named("token"))) or 0)
    if last < newest:
        redis.incrby(keys.named("token"), newest - last)


def raise_turn(redis: Redis, app_name: str) -> None:
    """Let the next turn come after those of all ready lanes."""
    keys = GroupKeys(app_name)
    owners = keyspace.walk(redis).get(app_name, Names()).of_family["ready"]
    newest = max((turn for _, _, turn in inventory.ready_lanes(redis, keys, owners)), default=0)
    last = int(cast(bytes, redis.get(keys.named("seq"))) or 0)
    if last < newest:
        redis.incrby(keys.named("seq"), newest - last)


def let_expire(redis: Redis, names: Sequence[str]) -> None:
    """Let keys go that were to go by themselves, as late as if they had been written now."""
    for name in names:
        rule = place_of(name).rule
        if rule is not None and rule.expires_s:
            redis.expire(name, rule.expires_s)
