"""Counting runs into the reports: each once, by the order of their ids, and again if it came out otherwise.

Runs are passed by id, up to a moment before which nothing can appear any more. What has not ended when it is
passed, and what was closed as lost, is written down as open with the outcome it was counted with; open runs
are looked at again, and the difference is added. Nothing else about a counted run ever changes.

Every step is one transaction that moves the one row of progress on, or finds that somebody else did and does
nothing. So whoever counts may die anywhere, and any number may count at once.

    counted_until    every run up to this log id is in the reports
    IS_COUNTED       a condition on `job_log`: this run is in them, as what it is now. It may be deleted:
                     the reports keep its numbers
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, func, not_, select, text, update

from ..vocabulary import Outcome
from . import lateness, report_rows
from .bulk import among, insert_many, update_many
from .models import ExecutorGroup, Job, JobLog, ReportName, ReportOpen, ReportProgress
from .report_rows import Key, Periods, Totals


@dataclass(frozen=True, slots=True)
class Counted:
    """What the reports know of one run."""

    log_id: int
    group_id: int
    job_id: int
    trigger_time: int
    not_before: int
    due_ms: int
    attempt: int
    started_at: int
    handle_time: int
    outcome: str | None

    @property
    def now(self) -> Counted | None:
        """Itself, as `Open` has it."""
        return self


@dataclass(frozen=True, slots=True)
class Open:
    """A run that was counted before."""

    log_id: int
    counted_as: str | None
    now: Counted | None
    """None: its row is gone."""

    @property
    def has_changed(self) -> bool:
        """Whether there is something to do about it."""
        return self.now is None or self.now.outcome != self.counted_as


@dataclass(frozen=True, slots=True)
class Progress:
    """How far counting has come."""

    counted_id: int
    looked_id: int
    counted_at: int


# what others ask

IS_COUNTED = and_(
    JobLog.id <= select(ReportProgress.counted_id).scalar_subquery(),
    not_(
        exists().where(
            ReportOpen.log_id == JobLog.id, func.coalesce(ReportOpen.counted_as, "") != JobLog.outcome
        )
    ),
    JobLog.outcome.is_not(None),
)


def counted_until(connection: Connection) -> int:
    """Every run up to this log id is in the reports; those that had not ended then, as such."""
    return progress(connection).counted_id


def progress(connection: Connection) -> Progress:
    """How far counting has come."""
    columns = (getattr(ReportProgress, each.name) for each in fields(Progress))
    return Progress(*connection.execute(select(*columns)).one())


# up to where nothing can appear any more

_INSERTING = text(
    "select virtualtransaction from pg_locks join pg_database on pg_database.oid = pg_locks.database "
    "where locktype = 'relation' and relation = 'job_log'::regclass and mode = 'RowExclusiveLock' "
    "and datname = current_database() and granted"
)


def newest_id(connection: Connection) -> int:
    """The newest run there is."""
    return connection.execute(select(func.coalesce(func.max(JobLog.id), 0))).scalar_one()


def writers(connection: Connection) -> frozenset[str]:
    """The transactions that may be inserting runs at this moment.

    On PostgreSQL ids are given when a row is made, and rows appear when their transaction ends: a smaller id
    may appear after a larger one. Who inserts has locked the table before he gets an id; so when everybody
    who writes now has ended, all ids up to the newest one of now are there. SQLite's writers take turns.
    """
    if connection.dialect.name != "postgresql":
        return frozenset()
    return frozenset(connection.execute(_INSERTING).scalars())


# what some runs add up to: pure

_Run = TypeVar("_Run", Counted, Open)
_Leaf = tuple[tuple[tuple[str, str], ...], int, int]
"""The periods, the group and the job of a run."""


def bites(runs: Iterable[_Run], periods: Periods, most: int) -> Iterator[list[_Run]]:
    """The same runs in pieces, each of which changes the numbers of at most so many jobs and periods."""
    bite: list[_Run] = []
    leaves: set[_Leaf | None] = set()
    for run in runs:
        leaf = _leaf_of(run.now, periods) if run.now is not None else None
        if leaf not in leaves and len(leaves) == most:
            yield bite
            bite, leaves = [], set()
        bite.append(run)
        leaves.add(leaf)
    if bite:
        yield bite


def sums(runs: Iterable[Counted], periods: Periods) -> dict[Key, Totals]:
    """The numbers of runs that are counted for the first time."""
    leaves: dict[_Leaf, Totals] = defaultdict(Totals)
    for run in runs:
        totals = leaves[_leaf_of(run, periods)]
        totals.triggered += 1
        _add_ending(totals, run)
    return _rolled_up(leaves)


def differences(again: Iterable[Open], periods: Periods) -> dict[Key, Totals]:
    """What has to be added for runs that came out otherwise than they were counted."""
    leaves: dict[_Leaf, Totals] = defaultdict(Totals)
    for each in again:
        if each.now is not None:
            totals = leaves[_leaf_of(each.now, periods)]
            if each.counted_as is not None:
                totals.outcomes[each.counted_as] -= 1
            _add_ending(totals, each.now)
    return _rolled_up(leaves)


def _leaf_of(run: Counted, periods: Periods) -> _Leaf:
    return periods.of(run.trigger_time), run.group_id, run.job_id


def _rolled_up(leaves: Mapping[_Leaf, Totals]) -> dict[Key, Totals]:
    """Each job, each group and all, by day and by hour."""
    news: dict[Key, Totals] = defaultdict(Totals)
    for (periods, group_id, job_id), totals in leaves.items():
        for span, period in periods:
            for group, job in ((group_id, job_id), (group_id, 0), (0, 0)):
                news[Key(span, group, job, period)].merge(totals)
    return news


def _add_ending(totals: Totals, run: Counted) -> None:
    if run.outcome is None:
        return
    totals.outcomes[run.outcome] += 1
    # nobody knows when a lost run began or ended
    if not run.started_at or run.outcome == Outcome.LOST:
        return
    run_ms = max(0, run.handle_time - run.started_at)
    totals.run_ms += run_ms
    totals.run_times.add(run_ms)
    totals.wait_times.add(run.started_at - max(run.trigger_time, run.not_before))
    if run.attempt == 1:  # what is tried again has begun before
        totals.lateness.add(run.started_at - run.due_ms)


# passing runs for the first time

_COLUMNS: tuple[Any, ...] = (
    JobLog.id,
    JobLog.group_id,
    JobLog.job_id,
    JobLog.trigger_time,
    JobLog.not_before,
    lateness.DUE_MS,
    JobLog.attempt,
    JobLog.started_at,
    JobLog.handle_time,
    JobLog.outcome,
)
_NEXT: Select[Any] = (
    select(*_COLUMNS)
    .where(JobLog.id > bindparam("after_id"), JobLog.id <= bindparam("until_id"))
    .order_by(JobLog.id)
    .limit(bindparam("limit"))
)
_OPEN = insert_many(ReportOpen.__table__, ("log_id", "counted_as"))


def following(connection: Connection, after_id: int, until_id: int, limit: int) -> list[Counted]:
    """The runs that come next."""
    wanted = {"after_id": after_id, "until_id": until_id, "limit": limit}
    return [Counted(*row) for row in connection.execute(_NEXT, wanted)]


def count(
    connection: Connection, runs: Sequence[Counted], news: Mapping[Key, Totals], from_id: int, to_id: int
) -> bool:
    """Count these, which are all after `from_id` up to `to_id` and add up to `news`; False if it was done."""
    passed = update(ReportProgress).where(ReportProgress.counted_id == from_id).values(counted_id=to_id)
    if connection.execute(passed).rowcount == 0:
        return False
    changeable = [(run.log_id, run.outcome) for run in runs if run.outcome in (None, Outcome.LOST)]
    _OPEN.execute(connection, changeable)
    report_rows.add(connection, news)
    return True


# looking again at those that were open

_STILL_OPEN = (
    select(ReportOpen.log_id, ReportOpen.counted_as, *_COLUMNS)
    .outerjoin(JobLog, JobLog.id == ReportOpen.log_id)
    .where(ReportOpen.log_id > bindparam("after_id"))
    .order_by(ReportOpen.log_id)
    .limit(bindparam("limit"))
)
_COUNTED_AS = select(ReportOpen.log_id, ReportOpen.counted_as).where(among(ReportOpen.log_id))
_TAKE_TURN = update(ReportProgress).values(counted_id=ReportProgress.counted_id)
"""Who counts for the first time changes this row, too."""
_CLOSE = delete(ReportOpen).where(among(ReportOpen.log_id))
_STAYS_OPEN = update_many(
    ReportOpen.__table__,
    ("log_id", "counted_as"),
    assign="counted_as = :counted_as",
    where="report_open.log_id = :log_id",
)


def still_open(connection: Connection, after_id: int, limit: int) -> list[Open]:
    """The next runs that were open, as they are now."""
    rows = connection.execute(_STILL_OPEN, {"after_id": after_id, "limit": limit})
    return [
        Open(log_id, counted_as, Counted(*now) if now[0] is not None else None)
        for log_id, counted_as, *now in rows
    ]


def looked(connection: Connection, up_to_id: int) -> None:
    """Open runs up to this one were looked at; 0: all were."""
    connection.execute(update(ReportProgress).values(looked_id=up_to_id))


def recount(connection: Connection, changed: Iterable[Open], periods: Periods) -> int:
    """Count again what came out otherwise; answers how many of them nobody else had counted meanwhile."""
    connection.execute(_TAKE_TURN)
    seen = {each.log_id: each for each in changed}
    rows = connection.execute(_COUNTED_AS, {"ids": list(seen)})
    fresh = [seen[log_id] for log_id, counted_as in rows if seen[log_id].counted_as == counted_as]
    report_rows.add(connection, differences(fresh, periods))
    lost = [each.log_id for each in fresh if each.now and each.now.outcome == Outcome.LOST]
    _STAYS_OPEN.execute(connection, [(log_id, Outcome.LOST.value) for log_id in lost])
    over = {each.log_id for each in fresh}.difference(lost)
    connection.execute(_CLOSE, {"ids": over})
    return len(fresh)


def caught_up(connection: Connection, at_ms: int) -> None:
    """Everything triggered before this moment is counted."""
    connection.execute(update(ReportProgress).values(counted_at=at_ms))


# names

_SUBJECTS = (("job", Job.id, Job.name), ("group", ExecutorGroup.id, ExecutorGroup.app_name))


def new_names(connection: Connection) -> list[tuple[str, int, str]]:
    """Kind, id and name of what is called otherwise than reports know."""
    found: list[tuple[str, int, str]] = []
    for kind, id_, name in _SUBJECTS:
        known = and_(ReportName.kind == kind, ReportName.id == id_)
        unknown = select(id_, name).outerjoin(ReportName, known)
        rows = connection.execute(unknown.where(func.coalesce(ReportName.name, "") != name))
        found += [(kind, *row) for row in rows]
    return found


_NAME = insert_many(ReportName.__table__, ("kind", "id", "name"))
_RENAME = update_many(
    ReportName.__table__,
    ("kind", "id", "name"),
    assign="name = :name",
    where="report_name.kind = :kind and report_name.id = :id",
)


def remember(connection: Connection, names: Sequence[tuple[str, int, str]]) -> None:
    """Keep these names."""
    _RENAME.execute(connection, names)
    _NAME.execute(connection, names)
