"""Rows of runs: a pending one is about to be pushed, a queued one is somewhere, none contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...broker.keys import lane_of
from ...store.anomalies import Odd
from ..check import Check, Clue, Seen


def _clues(found: Sequence[Odd], text: str) -> Iterator[Clue]:
    for each in found:
        yield Clue(str(each.id), text.format(each.said), each.id, each.job_id)


def _not_pushed(seen: Seen) -> Iterator[Clue]:
    return _clues(seen.rows.not_pushed, "attempt {} may be pushed, and is not")


def _nowhere(seen: Seen) -> Iterator[Clue]:
    for row in seen.rows.nowhere:
        lane = row.lane or lane_of(row.job_id)
        text = f"attempt {row.attempt} is neither in lane {lane} nor under a lease, and has no result"
        yield Clue(str(row.log_id), text, row.log_id, row.job_id, lane=lane)


def _half_pushed(seen: Seen) -> Iterator[Clue]:
    return _clues(seen.rows.half_pushed, "trigger code {} does not go with its time of push")


def _without_parent(seen: Seen) -> Iterator[Clue]:
    return _clues(seen.rows.without_parent, "its trigger is {}, and it names no run that it follows")


def _before_parent(seen: Seen) -> Iterator[Clue]:
    return _clues(seen.rows.before_parent, "it follows run {}, which has not ended")


def _contradictory(seen: Seen) -> Iterator[Clue]:
    return _clues(seen.rows.contradictory, "outcome {} does not go with its handle code")


CHECKS = (
    Check(
        "run.not_pushed", "run", "A run waits to be pushed, and nobody pushes it",
        "It does not run. No scheduler is at work, or Redis refuses what is pushed because it is full.",
        "Start a scheduler, or look at its output; `baton doctor` looks at Redis.",
        _not_pushed,
    ),
    Check(
        "run.nowhere", "run", "A run is queued, and nobody has it",
        "It never runs and never ends. Somebody deleted keys, and no scheduler looks after it.",
        "Start a scheduler: it pushes the run again, or closes it as its job says.",
        _nowhere, is_explained_by_results=True,
    ),
    Check(
        "run.half_pushed", "run", "A row is half pushed",
        "What it says of its push contradicts itself. Somebody edited the row.",
        "Set `trigger_code`, `trigger_msg` and `pushed_at` to 0, null and 0: it is pushed anew, once.",
        _half_pushed,
    ),
    Check(
        "run.without_parent", "run", "A retry or a child does not say what it follows",
        "Nobody can tell why it is there. Somebody edited the row.",
        "Kill it if nobody wants it.",
        _without_parent,
    ),
    Check(
        "run.before_parent", "run", "A retry or a child was made before the run it follows has ended",
        "Both may be under way. Somebody edited the row of the parent.",
        "Look at the parent. If it really has not ended, kill this run.",
        _before_parent,
    ),
    Check(
        "run.contradictory", "run", "The outcome of a run contradicts its handle code",
        "Pages and reports count it differently. Somebody edited the row.",
        "Set both as the run log says: 200 and succeeded, or 500 and failed.",
        _contradictory,
    ),
)  # fmt: skip
