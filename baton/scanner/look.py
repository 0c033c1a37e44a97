"""One scan: look at every group, weigh what was seen, remember it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from redis import Redis
from sqlalchemy import Engine

from ..broker import keyspace, recovery
from ..broker.keyspace import Names
from ..clock import SYSTEM_CLOCK, Clock
from ..store import findings, groups
from ..store.engine import read, write
from ..store.findings import FindingView, ScanView, Sighting
from .check import USUAL, Clue, Limits, Seen
from .checks import BY_NAME, CHECKS
from .gather import Gathered, Place, gather
from .weigh import GRACE_S, Weighed, weigh

MOST = 100
"""Clues of one check in one group: who has a hundred needs no more to see what is wrong."""
_LONGEST_SUBJECT = 255
_NOWHERE = "run.nowhere"


@dataclass(frozen=True, slots=True)
class Report:
    """What one scan says."""

    findings: tuple[FindingView, ...]
    """What counts: it was seen before, and long enough ago."""
    suspected: int
    """What was seen and does not count yet."""
    scan: ScanView


def look(
    engine: Engine,
    redis: Redis,
    *,
    by_whom: str,
    grace_s: float = GRACE_S,
    limits: Limits = USUAL,
    clock: Clock = SYSTEM_CLOCK,
) -> Report:
    """Scan once. Raises what the stores raise; nothing is remembered then."""
    began_ms, began_s = clock.now_ms(), clock.monotonic_s()
    with read(engine) as connection:
        known, last = findings.everything(connection), findings.last_scan(connection)
    awaiting = _awaiting_results(redis, known)
    gathered = _gather(engine, redis, known, last.reached if last else {}, limits, began_ms)
    weighed = weigh(
        known,
        [each for one in gathered for each in sightings_in(one.seen)],
        marks={one.seen.app_name: one.mark for one in gathered},
        awaiting_results=awaiting,
        now_ms=clock.now_ms(),
        grace_ms=round(grace_s * 1000),
    )
    scan = ScanView(
        began_at=began_ms,
        took_ms=round((clock.monotonic_s() - began_s) * 1000),
        by_whom=by_whom,
        rows=sum(one.rows for one in gathered),
        keys=sum(one.seen.redis.names.count for one in gathered),
        reached={one.seen.app_name: one.after_id for one in gathered if one.after_id},
    )
    _remember(engine, weighed, scan)
    return Report(weighed.confirmed, weighed.suspected, scan)


def _gather(
    engine: Engine,
    redis: Redis,
    known: Sequence[FindingView],
    reached: Mapping[str, int],
    limits: Limits,
    now_ms: int,
) -> list[Gathered]:
    with read(engine) as connection:
        group_ids = {each.app_name: each.id for each in groups.all_groups(connection)}
    names = keyspace.walk(redis)
    places = _places(
        {app_name: group_ids.get(app_name, 0) for app_name in ("", *group_ids, *names)}, known, reached
    )
    return [
        gather(engine, redis, place, names.get(place.app_name, Names()), limits, now_ms) for place in places
    ]


def sightings_in(seen: Seen) -> Iterator[Sighting]:
    """What the checks say of one look at a group (pure): one sighting of a check for each subject."""
    for check in CHECKS:
        by_subject: dict[str, Sighting] = {}
        for clue in islice(check.look(seen), MOST):
            sighting = _sighting(check.name, seen.app_name, clue)
            by_subject.setdefault(sighting.subject, sighting)
        yield from by_subject.values()


def _sighting(check_name: str, app_name: str, clue: Clue) -> Sighting:
    subject = (
        clue.subject if len(clue.subject) <= _LONGEST_SUBJECT else clue.subject[: _LONGEST_SUBJECT - 1] + "…"
    )
    return Sighting(
        check_name, app_name, subject, clue.evidence, clue.log_id, clue.job_id, clue.executor_id, clue.lane
    )


def _places(
    group_ids: Mapping[str, int], known: Sequence[FindingView], reached: Mapping[str, int]
) -> Iterator[Place]:
    for app_name, group_id in sorted(group_ids.items()):
        here = [each for each in known if each.app_name == app_name]
        yield Place(
            app_name,
            group_id,
            reached.get(app_name, 0),
            tuple(each.log_id for each in here if each.check_name == _NOWHERE),
            frozenset(each.lane for each in here),
        )


def _awaiting_results(redis: Redis, known: Sequence[FindingView]) -> set[int]:
    """The findings that a result would explain which was there when they were first seen."""
    marked = [
        each
        for each in known
        if not each.is_confirmed
        and each.check_name in BY_NAME
        and BY_NAME[each.check_name].is_explained_by_results
    ]
    passed = {
        place: recovery.results_passed(redis, *place)
        for place in {(each.app_name, each.mark) for each in marked}
    }
    return {each.id for each in marked if not passed[each.app_name, each.mark]}


def _remember(engine: Engine, weighed: Weighed, scan: ScanView) -> None:
    with write(engine) as connection:
        # first: two scanners at once wait for each other here, and not for each other's findings
        findings.note_scan(connection, scan)
        findings.forget(connection, weighed.gone)
        findings.change(connection, weighed.again)
        findings.add(connection, weighed.new)
