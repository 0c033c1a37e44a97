"""Executors and groups: who is there beats, who is gone has left nothing behind, spools are well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...store.findings import Sighting
from ...vocabulary import SpoolState
from ..check import Check, Clue, Seen

_OF_EXECUTORS = ("held", "own")
"""Families whose keys end with an executor."""
_ADDRESSED = ("ready", "marker", "queue")
"""Families in which `@<executor>` ends the name."""


def _silent(seen: Seen) -> Iterator[Clue]:
    for executor_id, info in seen.redis.executors.items():
        if seen.now_ms - info.beat_ms > seen.limits.beat_ms and executor_id in seen.redis.beats:
            text = f"its counter stands at {seen.redis.beats[executor_id]}"
            yield Clue(executor_id, text, executor_id=executor_id)


def _left_behind(seen: Seen) -> Iterator[Clue]:
    left: defaultdict[str, set[str]] = defaultdict(set)
    names = seen.redis.names.of_family
    for family in _OF_EXECUTORS:
        for executor_id in names[family]:
            left[executor_id].add(family)
    for family in _ADDRESSED:
        for name in names[family]:
            _, is_addressed, executor_id = name.partition("@")
            if is_addressed:
                left[executor_id].add(family)
    for executor_id in seen.redis.drained:
        left[executor_id].add("drains")
    for executor_id in seen.redis.executors:
        left[executor_id].add("executors")
    for executor_id, families in left.items():
        if seen.redis.is_read and executor_id not in seen.redis.beats:
            text = f"it does not beat, and there is: {', '.join(sorted(families))}"
            yield Clue(executor_id, text, executor_id=executor_id)


def _spool(seen: Seen) -> Iterator[Clue]:
    for executor_id, info in seen.redis.executors.items():
        if info.spool_state != SpoolState.OK:
            yield Clue(executor_id, f"its spool is {info.spool_state}", executor_id=executor_id)


def _quarantine(seen: Seen) -> Iterator[Clue]:
    for executor_id, info in seen.redis.executors.items():
        if info.quarantined:
            text = f"{info.quarantined} files in quarantine"
            yield Clue(executor_id, text, executor_id=executor_id)


def _closed(seen: Seen) -> Iterator[Clue]:
    if not seen.redis.is_open:
        yield Clue(seen.app_name, "it is closed")


def _unknown(seen: Seen) -> Iterator[Clue]:
    if seen.app_name and not seen.is_known:
        yield Clue(seen.app_name, "the database does not know it")


def _watch(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.let_watcher_decide(redis, app_name, [each.executor_id for each in found])


CHECKS = (
    Check(
        "executor.silent", "executor", "An executor does not beat, and nobody declares it dead",
        "Its runs are not taken back. No scheduler is at work.",
        "Start a scheduler, or look at its output.",
        _silent,
    ),
    Check(
        "executor.left_behind", "executor", "An executor is gone, and something of it is left",
        "What waits for it alone is never run. Somebody deleted keys, or Redis lost its last second.",
        "Repair it: the scheduler takes back what it had, as from any executor that died.",
        _left_behind, _watch,
    ),
    Check(
        "executor.spool", "executor", "The spool of an executor is full, or nearly",
        "Redis does not take its results. When the spool is full, it claims nothing.",
        "Look at Redis from that machine, and at its disk.",
        _spool, is_untold=True,
    ),
    Check(
        "executor.quarantine", "executor", "Spool files were put aside",
        "Results are in them that nobody can deliver: damaged, or signed with another token.",
        "The page on reliability says how to have them tried again; else delete them.",
        _quarantine,
    ),
    Check(
        "group.closed", "group", "A group stays closed",
        "Nothing is pushed to it and nothing claimed. Redis is new or lost its data, and no scheduler opens "
        "the group.",
        "Start a scheduler, or look at its output.",
        _closed,
    ),
    Check(
        "group.unknown", "group", "Keys of a group that the database does not have",
        "An executor listens in a group to which no job can be given: its BATON_GROUP has a typing error, or "
        "two installations share one Redis.",
        "Add the group on the page Executors, mend BATON_GROUP, or give the other installation a Redis.",
        _unknown,
    ),
)  # fmt: skip
