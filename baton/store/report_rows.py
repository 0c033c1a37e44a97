"""The table of reports: numbers by day and by hour, of each job, of each group, and of all.

A day is one of the reports' time zone and is stored by its name, an hour is one of UTC. Rows only ever get
numbers added; what was counted and came out otherwise is taken away again by adding -1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select

from ..histogram import Histogram
from ..vocabulary import Outcome
from .bulk import Row, among, insert_many, update_many
from .models import ReportName, ReportRow

DAY = "day"
HOUR = "hour"
HOURS_KEPT = 72
"""Days are kept for ever, hours so long."""
_TABLE = ReportRow.__table__
_QUARTER_MS = 15 * 60 * 1000


class Key(NamedTuple):
    """Which numbers these are."""

    span: str
    group_id: int
    """0, together with `job_id`: everything."""
    job_id: int
    """0: all jobs of the group."""
    period: str


@dataclass(slots=True)
class Totals:
    """What became of some runs."""

    triggered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    run_ms: int = 0
    """All run times together."""
    run_times: Histogram = field(default_factory=Histogram)
    """From the beginning of the handler to its end, of runs whose end is known."""
    wait_times: Histogram = field(default_factory=Histogram)
    """From the moment a run might be pushed to the beginning of its handler."""
    lateness: Histogram = field(default_factory=Histogram)
    """From the moment a run was due to the beginning of its first attempt."""

    @property
    def unfinished(self) -> int:
        """Those that had not ended when they were counted last."""
        return self.triggered - self.outcomes.total()

    @property
    def succeeded(self) -> int:
        return self.outcomes[Outcome.SUCCEEDED]

    def merge(self, other: Totals) -> None:
        """Add the numbers of the other."""
        self.triggered += other.triggered
        self.outcomes.update(other.outcomes)
        self.run_ms += other.run_ms
        self.run_times.merge(other.run_times)
        self.wait_times.merge(other.wait_times)
        self.lateness.merge(other.lateness)


_NUMBERS = ("triggered", *(outcome.value for outcome in Outcome), "run_ms")
_TEXTS = ("run_times", "wait_times", "lateness")
VALUES: tuple[ColumnElement[Any], ...] = tuple(_TABLE.c[name] for name in (*_NUMBERS, *_TEXTS))
"""What `totals_of` reads."""
_GIVEN = (*Key._fields, *_NUMBERS, *_TEXTS)
_INSERT = insert_many(_TABLE, _GIVEN)
_UPDATE = update_many(
    _TABLE,
    _GIVEN,
    assign=", ".join(f"{name} = :{name}" for name in (*_NUMBERS, *_TEXTS)),
    where=" and ".join(f"report.{name} = :{name}" for name in Key._fields),
)
_STANDING = select(*(_TABLE.c[name] for name in Key._fields), *VALUES).where(
    ReportRow.span == bindparam("span"),
    ReportRow.period == bindparam("period"),
    among(ReportRow.job_id, "job_ids"),
)


def totals_of(row: Iterable[Any]) -> Totals:
    """The numbers of a row with the columns of `VALUES`."""
    triggered, *values = row
    counts, run_ms, texts = values[: len(Outcome)], values[len(Outcome)], values[len(Outcome) + 1 :]
    outcomes = Counter({name.value: count for name, count in zip(Outcome, counts, strict=True) if count})
    return Totals(triggered, outcomes, run_ms, *(Histogram.decode(text) for text in texts))


def add(connection: Connection, news: Mapping[Key, Totals]) -> None:
    """Add these numbers to their rows. One transaction at a time may: the caller sees to that."""
    known = standing(connection, news)
    for key, totals in known.items():
        totals.merge(news[key])
    _UPDATE.execute(connection, [_row(key, totals) for key, totals in known.items()])
    _INSERT.execute(connection, [_row(key, totals) for key, totals in news.items() if key not in known])


def series(
    connection: Connection, span: str, first: str, last: str, *, group_id: int = 0, job_id: int = 0
) -> dict[str, Totals]:
    """The numbers of each period from `first` to `last`, if any: of a job, of a group, or of all."""
    of_job = ReportRow.job_id == job_id
    # a job may have been in several groups
    whose = of_job if job_id and not group_id else and_(of_job, ReportRow.group_id == group_id)
    found: dict[str, Totals] = {}
    for period, *row in connection.execute(
        select(ReportRow.period, *VALUES).where(whose, *_within(span, first, last))
    ):
        found.setdefault(period, Totals()).merge(totals_of(row))
    return found


def first_day(connection: Connection) -> str | None:
    """The day of the first run that was counted."""
    of_all = (ReportRow.span == DAY, ReportRow.group_id == 0, ReportRow.job_id == 0)
    return connection.execute(select(func.min(ReportRow.period)).where(*of_all)).scalar()


def by_job(
    connection: Connection, span: str, first: str, last: str, *, group_id: int = 0
) -> dict[int, Totals]:
    """The sums of each job in these periods, of one group or of all; without histograms."""
    sums = (func.sum(_TABLE.c[name]) for name in _NUMBERS)
    conditions = _of_jobs(span, first, last, group_id)
    found = connection.execute(select(ReportRow.job_id, *sums).where(*conditions).group_by(ReportRow.job_id))
    return {job_id: totals_of([*map(int, numbers), "", "", ""]) for job_id, *numbers in found}


def add_run_times(
    connection: Connection,
    lines: Mapping[int, Totals],
    span: str,
    first: str,
    last: str,
    *,
    group_id: int = 0,
) -> None:
    """Give these jobs, by their ids, the histograms of their run times in these periods."""
    times = select(ReportRow.job_id, ReportRow.run_times).where(
        *_of_jobs(span, first, last, group_id), ReportRow.run_times != "", among(ReportRow.job_id)
    )
    for job_id, text in connection.execute(times, {"ids": lines}):
        lines[job_id].run_times.merge(Histogram.decode(text))


def names(connection: Connection, kind: str) -> dict[int, str]:
    """What the jobs or the groups of the reports were called last, also those that are gone."""
    known = select(ReportName.id, ReportName.name).where(ReportName.kind == kind)
    return dict(map(tuple, connection.execute(known)))


def forget_hours(connection: Connection, before: str) -> int:
    """Delete the hours before this one; their days stay. Answers how many rows that were."""
    old = delete(ReportRow).where(ReportRow.span == HOUR, ReportRow.period < before)
    return connection.execute(old).rowcount


def day_of(moment_ms: int, zone: tzinfo) -> str:
    """The day of that zone in which this moment lies."""
    return datetime.fromtimestamp(moment_ms // 1000, zone).date().isoformat()


def hour_of(moment_ms: int) -> str:
    """The hour of UTC in which this moment lies."""
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%Y-%m-%dT%HZ")


class Periods:
    """The day and the hour of many moments: offsets of zones change at quarters of an hour, if at all."""

    def __init__(self, zone: tzinfo, first_hour: str = "") -> None:
        """Hours before `first_hour` are not kept."""
        self._zone = zone
        self._first_hour = first_hour
        self._known: dict[int, tuple[tuple[str, str], ...]] = {}

    def of(self, moment_ms: int) -> tuple[tuple[str, str], ...]:
        """Span and period of each row in which it is counted."""
        quarter = moment_ms // _QUARTER_MS
        found = self._known.get(quarter)
        if found is None:
            begins_ms = quarter * _QUARTER_MS
            day, hour = (DAY, day_of(begins_ms, self._zone)), (HOUR, hour_of(begins_ms))
            found = self._known[quarter] = (day, hour) if hour[1] >= self._first_hour else (day,)
        return found


def standing(connection: Connection, keys: Collection[Key]) -> dict[Key, Totals]:
    """The numbers that are there of these."""
    jobs_of: dict[tuple[str, str], set[int]] = {}
    for key in keys:
        jobs_of.setdefault((key.span, key.period), set()).add(key.job_id)
    found = {}
    for (span, period), job_ids in jobs_of.items():
        wanted = {"span": span, "period": period, "job_ids": job_ids}
        for row in connection.execute(_STANDING, wanted):
            key = Key(*row[: len(Key._fields)])
            if key in keys:
                found[key] = totals_of(row[len(Key._fields) :])
    return found


def _within(span: str, first: str, last: str) -> tuple[ColumnElement[bool], ...]:
    return ReportRow.span == span, ReportRow.period >= first, ReportRow.period <= last


def _of_jobs(span: str, first: str, last: str, group_id: int) -> tuple[ColumnElement[bool], ...]:
    whose = ReportRow.group_id == group_id if group_id else ReportRow.group_id != 0
    return ReportRow.job_id != 0, whose, *_within(span, first, last)


def _row(key: Key, totals: Totals) -> Row:
    counts = (totals.outcomes[outcome] for outcome in Outcome)
    texts = (getattr(totals, name).encode() for name in _TEXTS)
    return (*key, totals.triggered, *counts, totals.run_ms, *texts)
