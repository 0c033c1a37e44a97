"""Looks at one group in both stores.

The order matters where a run may move on meanwhile: rows that have not ended are read before Redis is asked
who has them, and runs that Redis names are looked up in SQL afterwards. A row is always there before its
message, and a message is gone before its row ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Connection, Engine

from ..broker import inventory, recovery
from ..broker.inventory import Inventory
from ..broker.keys import job_of, lane_of
from ..broker.keyspace import Names
from ..store import anomalies, runs
from ..store.engine import read
from ..store.runs import RowState, UnfinishedRow
from .check import Limits, RowsSeen, Seen

WINDOW_ROWS = 2_000
"""Unfinished runs of a group that one scan looks for in Redis; the next one goes on behind them."""
SETTLE_MS = 5_000
"""Younger ones are on their way."""
_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """A group, and where in its unfinished runs this scan begins."""

    app_name: str
    group_id: int
    """0: the database does not have it."""
    after_id: int = 0
    suspects: tuple[int, ...] = ()
    """Runs that an earlier look found nowhere: they are looked for again, wherever the window is."""
    suspect_lanes: frozenset[str] = frozenset()
    """Lanes in which an earlier look saw something: it is looked into them again."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was seen, and where the next scan begins."""

    seen: Seen
    after_id: int
    rows: int
    mark: str
    """The newest result right after that: one up to there may explain what was seen."""


def gather(engine: Engine, redis: Redis, place: Place, names: Names, limits: Limits, now_ms: int) -> Gathered:
    """Look once at one group."""
    window, after_id = _window(engine, place, now_ms)
    held = _inventory(redis, place, names)
    nowhere = _nowhere(redis, place, window) if held.is_read else ()
    # a run may have ended a moment before it was found nowhere: its result must be up to the mark
    mark = recovery.last_result(redis, place.app_name) if held.is_read else ""
    with read(engine) as connection:
        rows = _rows(connection, place, held, nowhere, now_ms, limits)
    seen = Seen(place.app_name, place.group_id > 0, now_ms, held, rows, limits)
    return Gathered(seen, after_id, len(window), mark)


def _window(engine: Engine, place: Place, now_ms: int) -> tuple[list[UnfinishedRow], int]:
    older_ms = now_ms - SETTLE_MS
    with read(engine) as connection:
        window = runs.unfinished(connection, place.app_name, place.after_id, WINDOW_ROWS, older_ms)
        after_id = window[-1].log_id if len(window) == WINDOW_ROWS else 0
        for log_id in place.suspects:
            found = runs.unfinished(connection, place.app_name, log_id - 1, 1, older_ms)
            window += [row for row in found if row.log_id == log_id]
    return list({row.log_id: row for row in window}.values()), after_id


def _inventory(redis: Redis, place: Place, names: Names) -> Inventory:
    if place.group_id == 0 or not names.is_readable:
        return Inventory(place.app_name, names)
    return inventory.take(redis, place.app_name, names, place.suspect_lanes)


def _nowhere(redis: Redis, place: Place, window: Sequence[UnfinishedRow]) -> tuple[UnfinishedRow, ...]:
    places = [(row.log_id, row.lane or lane_of(row.job_id)) for row in window]
    adrift = recovery.adrift(redis, place.app_name, places)
    return tuple(row for row in window if row.log_id in adrift)


def _rows(
    connection: Connection,
    place: Place,
    held: Inventory,
    nowhere: tuple[UnfinishedRow, ...],
    now_ms: int,
    limits: Limits,
) -> RowsSeen:
    group_id, due_ms = place.group_id, now_ms - limits.due_ms
    return RowsSeen(
        nowhere=nowhere,
        states=_states(connection, held.log_ids),
        jobs=_jobs(connection, held.remembered_lanes),
        not_pushed=anomalies.not_pushed(connection, group_id, due_ms),
        half_pushed=anomalies.half_pushed(connection, group_id),
        without_parent=anomalies.without_parent(connection, group_id),
        before_parent=anomalies.before_parent(connection, group_id),
        contradictory=anomalies.contradictory(connection, group_id),
        overdue_jobs=anomalies.overdue_jobs(connection, group_id, due_ms),
        awaiting_nothing=anomalies.awaiting_nothing(connection, group_id),
        not_routed=anomalies.not_routed(connection, group_id, due_ms),
        not_sent=anomalies.not_sent(connection, group_id, now_ms - limits.delivery_ms),
    )


def _states(connection: Connection, log_ids: Iterable[int]) -> dict[int, RowState]:
    states: dict[int, RowState] = {}
    for page in _pages(sorted(log_ids)):
        states |= runs.states(connection, page)
    return states


def _jobs(connection: Connection, lanes: Iterable[str]) -> frozenset[int]:
    named = {job_of(lane) for lane in lanes}
    job_ids = sorted(int(job) for job in named if job.isdigit() and len(job) <= 18)
    found: set[int] = set()
    for page in _pages(job_ids):
        found |= anomalies.existing_jobs(connection, set(page))
    return frozenset(found)


def _pages(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _AT_A_TIME):
        yield ids[start : start + _AT_A_TIME]
