"""Messages in lanes: of a run that waits, once, readable. And flags of runs that have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...broker.inventory import Waiting
from ...store.findings import Sighting
from ..check import Check, Clue, Seen
from .lanes import job_id_of


def _clue(each: Waiting, text: str) -> Clue:
    evidence = f"{text} (lane {each.lane}, attempt {each.attempt})"
    return Clue(str(each.log_id), evidence, each.log_id, job_id_of(each.lane), lane=each.lane)


def _without_row(seen: Seen) -> Iterator[Clue]:
    for each in seen.redis.waiting:
        if each.log_id and each.log_id not in seen.rows.states:
            yield _clue(each, "there is no such row")


def _of_ended_run(seen: Seen) -> Iterator[Clue]:
    for each in seen.redis.waiting:
        if seen.is_ended(each.log_id):
            yield _clue(each, f"its row has ended: {seen.rows.states[each.log_id].outcome}")


def _twice(seen: Seen) -> Iterator[Clue]:
    times = Counter(each.log_id for each in seen.redis.waiting if each.log_id)
    for each in seen.redis.waiting:
        lease = seen.redis.leases.get(each.log_id)
        if lease is not None:
            yield _clue(each, f"it waits, and is under way with token {lease.token}")
        elif times[each.log_id] > 1:
            yield _clue(each, f"it waits {times[each.log_id]} times")


def _unreadable(seen: Seen) -> Iterator[Clue]:
    for lane in sorted({each.lane for each in seen.redis.waiting if not each.log_id}):
        yield Clue(lane, "some of what waits in it is no message", job_id=job_id_of(lane), lane=lane)


def _flag_of_ended_run(seen: Seen) -> Iterator[Clue]:
    there = {*seen.redis.leases, *(each.log_id for each in seen.redis.waiting)}
    for log_id in sorted(seen.redis.flagged - there):
        if seen.is_ended(log_id) or log_id not in seen.rows.states:
            yield Clue(str(log_id), "it is over", log_id)


def _end(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.end_waiting(redis, app_name, [(each.log_id, each.lane) for each in found])


def _drop(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.drop_flags(redis, app_name, [each.log_id for each in found])


CHECKS = (
    Check(
        "message.of_ended_run", "run", "A run that has ended waits to be run",
        "It would run although its row says that it is over. Somebody edited the row, or restored a "
        "database.",
        "Repair it: its message is taken out of the lane.",
        _of_ended_run, _end,
    ),
    Check(
        "message.without_row", "run", "A message waits that has no row",
        "It will run, and its result will be kept as a failed callback. The row was deleted, or an older "
        "database restored.",
        "Let it run and decide on the failed callback; or restore the row.",
        _without_row,
    ),
    Check(
        "message.twice", "run", "A run waits twice, or waits and runs",
        "It may run a second time. Somebody edited lanes, or a script has a bug.",
        "Kill the run. Report it, with what happened before.",
        _twice,
    ),
    Check(
        "message.unreadable", "lane", "Bytes wait in a lane that are no message",
        "The next executor that comes upon them puts them aside as a failed callback; they harm nobody.",
        "Look whether executors listen in this group.",
        _unreadable,
    ),
    Check(
        "flag.of_ended_run", "run", "A flag is left of a run that is over",
        "It only takes room.",
        "Nothing: the background process clears it away.",
        _flag_of_ended_run, _drop, is_leftover=True,
    ),
)  # fmt: skip
