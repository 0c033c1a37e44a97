"""Take back a dead executor's runs; find what Redis lost; check the lanes.

Spoken by the scheduler's watcher (`recover`) and sweeper (everything else).
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from ..vocabulary import Ending
from . import scripts
from .keys import GroupKeys

RUNS_PER_CALL = 100
"""Runs one script call takes back: the server stands still while a script runs."""

_LONGEST_SEARCHED_LANE = 20_000
_PAGE = 1_000


def recover(
    redis: Redis,
    app_name: str,
    executor_id: str,
    beat: int,
    max_reruns: int = 3,
    *,
    what_it_did: str = "stopped beating",
    evidence: str = "",
) -> list[tuple[int, Ending]] | None:
    """Take back all runs of an executor whose counter stood still at `beat`.

    `evidence` says how that was noticed; it stands on the row of each run. Each run ends or goes back to
    its lane, and is reported in the stream, by the script itself.
    None: it has beaten again meanwhile; runs taken back until then stay taken back.
    """
    keys = GroupKeys(app_name, executor_id)
    taken: list[tuple[int, Ending]] = []
    while True:
        arguments: list[str | bytes | int] = [
            keys.prefix, executor_id, beat, max_reruns, RUNS_PER_CALL, what_it_did, evidence,
        ]  # fmt: skip
        answer = scripts.load("recover").run(redis, keys, arguments)
        if answer is None:
            return None
        left, flat = int(answer[0]), answer[1:]
        taken += [(int(flat[i + 1]), Ending(flat[i].decode())) for i in range(0, len(flat), 2)]
        if left == 0:
            return taken


def is_open(redis: Redis, app_name: str) -> bool:
    """False: this Redis is new to the group or lost its data; nothing is pushed or claimed."""
    return bool(redis.exists(GroupKeys(app_name).named("epoch")))


def opening_age_s(redis: Redis, app_name: str) -> float:
    """Seconds since a scheduler first saw the group closed. The first call starts the count."""
    seconds, micros = redis.time()
    now_ms = seconds * 1000 + micros // 1000
    key = GroupKeys(app_name).named("opening")
    redis.set(key, now_ms, nx=True)
    first_ms = int(cast(bytes, redis.get(key)) or now_ms)
    return max(0.0, (now_ms - first_ms) / 1000)


def open_group(redis: Redis, app_name: str) -> None:
    """Let the group be pushed to and claimed from."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.set(keys.named("epoch"), secrets.token_hex(8), nx=True)
        pipeline.delete(keys.named("opening"))
        pipeline.execute()


def unknown(redis: Redis, app_name: str, log_ids: Sequence[int]) -> set[int]:
    """The log ids this Redis never saw pushed: it lost them, or they never came."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for log_id in log_ids:
            pipeline.getbit(*keys.seen(log_id))
        seen = pipeline.execute()
    return {log_id for log_id, bit in zip(log_ids, seen, strict=True) if not bit}


def forget(redis: Redis, app_name: str, log_ids: Sequence[int]) -> None:
    """Let these log ids be pushed again."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for log_id in log_ids:
            pipeline.setbit(*keys.seen(log_id), 0)
        pipeline.execute()


def adrift(redis: Redis, app_name: str, runs: Sequence[tuple[int, str]]) -> set[int]:
    """Of these (log id, lane): the ones that neither wait in their lane nor have a lease.

    Such a run has its result in the stream, or it was lost (somebody deleted keys). To tell the
    two apart, note `last_result` now, and judge a run lost only when `results_passed` that mark
    and SQL still calls it unfinished. Lanes of over 20,000 messages are not searched; their runs
    are never called adrift.
    """
    if not runs:
        return set()
    keys = GroupKeys(app_name)
    by_lane: defaultdict[str, set[int]] = defaultdict(set)
    unleased = _unleased(redis, keys, [log_id for log_id, _ in runs])
    for log_id, lane in runs:
        if log_id in unleased:
            by_lane[lane].add(log_id)
    found: set[int] = set()
    for lane, wanted in by_lane.items():
        found |= wanted - _waiting(redis, keys.queue(lane), wanted)
    # asked again: what was claimed between the two looks is in no lane, but has a lease by now
    return _unleased(redis, keys, sorted(found))


def _unleased(redis: Redis, keys: GroupKeys, log_ids: Sequence[int]) -> set[int]:
    if not log_ids:
        return set()
    leases = cast(list[bytes | None], redis.hmget(keys.named("leases"), [str(log_id) for log_id in log_ids]))
    return {log_id for log_id, lease in zip(log_ids, leases, strict=True) if lease is None}


def _waiting(redis: Redis, queue: str, wanted: set[int]) -> set[int]:
    length = redis.llen(queue)
    if length > _LONGEST_SEARCHED_LANE:
        return wanted
    waiting: set[int] = set()
    names = {b"%d" % log_id: log_id for log_id in wanted}
    for start in range(0, length, _PAGE):
        page = cast(list[bytes], redis.lrange(queue, start, start + _PAGE - 1))
        beginnings = {element.split(b":", 1)[0] for element in page}
        waiting |= {log_id for beginning, log_id in names.items() if beginning in beginnings}
        if waiting == wanted:
            break
    return waiting


def last_result(redis: Redis, app_name: str) -> str:
    """The id of the newest entry the results stream ever had; "0-0" without a stream."""
    key = GroupKeys(app_name).named("results")
    if not redis.exists(key):
        return "0-0"
    info = cast(dict[str, bytes], redis.xinfo_stream(key))
    return info["last-generated-id"].decode()


def results_passed(redis: Redis, app_name: str, mark: str) -> bool:
    """Whether everything up to the entry `mark` has been applied and deleted."""
    entries = cast(
        list[tuple[bytes, object]],
        redis.xrange(GroupKeys(app_name).named("results"), "-", mark, count=1),
    )
    return not entries


@dataclass(frozen=True, slots=True)
class WrongLane:
    """A lane of which invariant R does not hold."""

    lane: str
    what: str
    """`unready`, `ready` or `slot`: see `audit.lua`."""
    log_id: int
    """Its first message, or the run that has a slot and no lease; 0 where there is none."""


def repair_ready(redis: Redis, app_name: str, lanes: Iterable[str]) -> int:
    """Check invariant R for these lanes and repair it; answers how much was wrong."""
    return len(_audit(redis, app_name, lanes, "repair"))


def wrong_lanes(redis: Redis, app_name: str, lanes: Iterable[str]) -> list[WrongLane]:
    """Where invariant R does not hold, each lane looked at in one moment. Nothing is changed."""
    return _audit(redis, app_name, lanes, "look")


def _audit(redis: Redis, app_name: str, lanes: Iterable[str], verb: str) -> list[WrongLane]:
    keys, names = GroupKeys(app_name), list(lanes)
    wrong: list[WrongLane] = []
    for start in range(0, len(names), 100):
        batch = names[start : start + 100]
        flat = scripts.load("audit").run(redis, keys, [keys.prefix, verb, *batch])
        wrong += [
            WrongLane(flat[i].decode(), flat[i + 1].decode(), int(flat[i + 2]))
            for i in range(0, len(flat), 3)
        ]
    return wrong
