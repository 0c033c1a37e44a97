"""Reports: what became of runs over days, asked in the address, so that a view can be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from heapq import nsmallest
from typing import Self
from urllib.parse import urlencode

from flask import request
from sqlalchemy import Connection

from baton.schedule import zone
from baton.store import jobs, report_rows, reports
from baton.store.report_rows import DAY, HOUR, Totals
from baton.vocabulary import Outcome

from ..filters import duration, grouped, label, tone
from ..resources import resources
from . import charts, report_days
from .charts import Chart, Point
from .report_days import Days, Piece
from .run_list import row_id

RANGES: dict[str, tuple[int, str]] = {
    "today": (1, "Today"), "7d": (7, "7 days"), "30d": (30, "30 days"), "90d": (90, "90 days"),
}  # fmt: skip
USUAL_RANGE = "30d"
FAILURES = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.REFUSED, Outcome.EXPIRED)
"""Endings nobody wanted. Killed, covered and discarded runs did what a person or a strategy asked."""
ORDERS: dict[str, str] = {
    "runs": "Most runs", "failures": "Most failures", "slow": "Slowest", "time": "Most run time",
}  # fmt: skip
TONES: dict[str, str] = {
    "good": "Succeeded", "bad": "Failed, refused", "warn": "Timed out, lost, expired", "odd": "Killed",
    "calm": "Covered, discarded", "busy": "Not ended",
}  # fmt: skip
"""What a colour stands for in columns, from the bottom to the top."""
SHARES = (0.5, 0.95, 0.99)
LISTED_JOBS = 50
TIMED_JOBS = 200
"""The slowest, by percentile, are sought among so many: those whose runs take longest on the average."""
_NEWS_MS = 20_000
"""So long after the last count browsers are told of it: a count takes seconds, and they ask every three."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asked for."""

    range: str = USUAL_RANGE
    start: str = ""
    end: str = ""
    """Days, as `2026-01-05`: if one is there, the range does not count."""
    group: str = ""
    job: str = ""
    order: str = "runs"

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> Self:
        """Read the query string; what makes no sense is as if it were not there."""
        asked = cls(**{name: args.get(name, "").strip() for name in cls.__slots__})
        return replace(
            asked,
            range=asked.range if asked.range in RANGES else USUAL_RANGE,
            start=asked.start if day(asked.start) else "",
            end=asked.end if day(asked.end) else "",
            group=asked.group if row_id(asked.group) else "",
            job=asked.job if row_id(asked.job) else "",
            order=asked.order if asked.order in ORDERS else "runs",
        )

    @property
    def is_exact(self) -> bool:
        """Whether days are named."""
        return bool(self.start or self.end)

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out but days."""
        return bool(self.group or self.job)

    def to_params(self, **changes: str) -> dict[str, str]:
        """The query string of this question, with changes."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return {name: value for name, value in values.items() if value and (name, value) != ("order", "runs")}

    def days(self, now_ms: int, at: tzinfo) -> Days:
        """The days it is about; a range ends today."""
        today = report_days.today(now_ms, at)
        if self.is_exact:
            last = day(self.end) or today
            first = day(self.start) or last
            return report_days.between(min(first, last), max(first, last), now_ms, at)
        return report_days.between(today - timedelta(days=RANGES[self.range][0] - 1), today, now_ms, at)


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in the table."""

    job_id: int
    name: str
    is_gone: bool
    totals: Totals

    @property
    def failed(self) -> int:
        return failures_of(self.totals)

    @property
    def p95_ms(self) -> int:
        return self.totals.run_times.quantile(0.95) or 0


@dataclass(frozen=True)
class Report:
    """Everything about some days. Its charts are drawn once."""

    days: Days
    series: tuple[tuple[Piece, Totals], ...]
    total: Totals
    jobs: tuple[JobLine, ...]
    """In no order; of a report on one job only that one."""
    counted_at: int
    """Runs triggered before then are in it (epoch ms); 0: counting has not come so far yet."""
    whose: Mapping[str, str]
    """`group` and `job` for links to its runs."""

    @property
    def is_empty(self) -> bool:
        return self.total.triggered == 0

    def ordered(self, order: str) -> list[JobLine]:
        """Its jobs, those first that the order asks for; jobs that have nothing of it are left out."""
        worth: Callable[[JobLine], float] = {
            "runs": lambda line: line.totals.triggered,
            "failures": lambda line: line.failed,
            "slow": lambda line: line.p95_ms,
            "time": lambda line: line.totals.run_ms,
        }[order]
        return sorted(
            (line for line in self.jobs if worth(line)), key=lambda line: (-worth(line), line.job_id)
        )

    @cached_property
    def runs(self) -> Chart:
        """Runs by what became of them."""
        points = [self._point(piece, said_of(totals)) for piece, totals in self.series]
        return charts.stacked(points, [by_tone(totals) for _, totals in self.series])

    @cached_property
    def run_times(self) -> Chart | None:
        """Quantiles of run times; None if nothing ran."""
        return self._quantiles("run_times")

    @cached_property
    def wait_times(self) -> Chart | None:
        """Quantiles of waiting; None if nothing began."""
        return self._quantiles("wait_times")

    def _quantiles(self, name: str) -> Chart | None:
        found = [[getattr(totals, name).quantile(share) for share in SHARES] for _, totals in self.series]
        if not any(ms is not None for quantiles in found for ms in quantiles):
            return None
        named = {f"p{share * 100:.0f}": [each[place] for each in found] for place, share in enumerate(SHARES)}
        points = [
            self._point(piece, quantiles_said(named, place)) for place, (piece, _) in enumerate(self.series)
        ]
        return charts.lines(points, named)

    def _point(self, piece: Piece, said: str) -> Point:
        return Point(piece.short, f"{piece.long}: {said}", self.runs_of(piece))

    def runs_of(self, piece: Piece) -> str:
        """What the page of runs is asked for to see the runs of this piece, as a query string."""
        start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (piece.from_ms, piece.to_ms))
        moments = {"start": f"{start:%Y-%m-%dT%H:%M}", "end": f"{end:%Y-%m-%dT%H:%M}"}
        return urlencode({**self.whose, **moments}, safe=":")

    @staticmethod
    def otherwise(totals: Totals) -> str:
        """Everything but the successes, in words."""
        return ", ".join(_said(totals, [each for each in Outcome if each != Outcome.SUCCEEDED]))


def range_to_begin_with(connection: Connection) -> str:
    """Today on the first day, when a month would be one column and a lot of nothing."""
    place = resources()
    today = report_days.today(place.now_ms(), zone.find(place.options.report_zone))
    return "today" if report_rows.first_day(connection) == today.isoformat() else USUAL_RANGE


def recall(connection: Connection, asked: Question, *, is_whole: bool = False) -> Report:
    """The report as of now, from memory if nothing was counted since it was made.

    Run times are read of the jobs that a page may show, or of all if it is a whole one.
    """
    place = resources()
    at = zone.find(place.options.report_zone)
    now_ms = place.now_ms()
    asked = replace(asked, order="runs")  # the same numbers
    question = (asked, asked.days(now_ms, at).last, is_whole)
    found: Report = place.reports.recall(
        connection, question, lambda: look(connection, asked, now_ms, at, is_whole=is_whole)
    )
    return found


def news(connection: Connection, asked: Question) -> Report | None:
    """The report for a part of a page that is kept fresh; None where the page has these numbers already."""
    found = recall(connection, asked)
    is_asked_again = "X-Baton-Live" in request.headers
    is_old = resources().now_ms() - found.counted_at > _NEWS_MS
    return None if is_asked_again and is_old else found


def look(connection: Connection, asked: Question, now_ms: int, at: tzinfo, *, is_whole: bool) -> Report:
    """Read the numbers."""
    days = asked.days(now_ms, at)
    first, last = days.first.isoformat(), days.last.isoformat()
    group_id, job_id = row_id(asked.group) or 0, row_id(asked.job) or 0
    by_day = report_rows.series(connection, DAY, first, last, group_id=group_id, job_id=job_id)
    if days.span == HOUR:
        ends = days.pieces[0].period, days.pieces[-1].period
        shown = report_rows.series(connection, HOUR, *ends, group_id=group_id, job_id=job_id)
    else:
        shown = by_day
    total = Totals()
    for each in by_day.values():
        total.merge(each)
    if job_id:
        lines = {job_id: total} if total.triggered else {}
    else:
        lines = report_rows.by_job(connection, DAY, first, last, group_id=group_id)
        timed = lines if is_whole else _outstanding(lines)
        report_rows.add_run_times(connection, timed, DAY, first, last, group_id=group_id)
    return Report(
        days,
        tuple((piece, shown.get(piece.period, Totals())) for piece in days.pieces),
        total,
        tuple(_named(connection, lines)),
        reports.progress(connection).counted_at,
        {name: text for name, text in (("group", asked.group), ("job", asked.job)) if text},
    )


def _outstanding(lines: Mapping[int, Totals]) -> dict[int, Totals]:
    """Those that a table may show."""
    ranks: tuple[tuple[int, Callable[[Totals], float]], ...] = (
        (LISTED_JOBS, lambda totals: totals.triggered),
        (LISTED_JOBS, failures_of),
        (LISTED_JOBS, lambda totals: totals.run_ms),
        (TIMED_JOBS, lambda totals: totals.run_ms / max(1, totals.triggered)),
    )
    found: dict[int, Totals] = {}
    for most, worth in ranks:
        ranked = [(-worth(totals), job_id) for job_id, totals in lines.items()]
        found |= {job_id: lines[job_id] for _, job_id in nsmallest(most, ranked)}
    return found


def failures_of(totals: Totals) -> int:
    """How many ended as nobody wanted."""
    return sum(totals.outcomes[outcome] for outcome in FAILURES)


def success_of(totals: Totals) -> float | None:
    """The share that succeeded, of those that did or ended as nobody wanted; None without any."""
    judged = totals.succeeded + failures_of(totals)
    return totals.succeeded / judged if judged else None


def by_tone(totals: Totals) -> dict[str, int]:
    """How many runs have each colour."""
    counts = dict.fromkeys(TONES, 0)
    for outcome, count in totals.outcomes.items():
        counts[tone(outcome)] += count
    counts["busy"] = totals.unfinished
    return counts


def outcomes_of(totals: Totals) -> list[tuple[str, str, int]]:
    """Name, colour and number of each outcome there was, most first; then what has not ended."""
    ended = [(label(each), tone(each), totals.outcomes[each]) for each in Outcome if totals.outcomes[each]]
    ended.sort(key=lambda each: -each[2])
    return [*ended, ("Not ended", "busy", totals.unfinished)] if totals.unfinished else ended


def said_of(totals: Totals) -> str:
    """All outcomes in words."""
    if not totals.triggered:
        return "no runs"
    plural = "s" if totals.triggered != 1 else ""
    return f"{grouped(totals.triggered)} run{plural}: {', '.join(_said(totals, Outcome))}"


def quantiles_said(named: Mapping[str, list[int | None]], place: int) -> str:
    """The quantiles of a piece in words."""
    said = [f"{name} {duration(ms)}" for name, series in named.items() if (ms := series[place]) is not None]
    return ", ".join(said) or "nothing ran"


def day(text: str) -> date | None:
    """`2026-01-05`; None if it is no day that reports may know."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if len(text) == 10 and 1970 <= found.year <= 9000 else None


def _named(connection: Connection, lines: Mapping[int, Totals]) -> Iterable[JobLine]:
    there = jobs.names(connection, list(lines))
    known = report_rows.names(connection, "job")
    for job_id, totals in lines.items():
        name = there.get(job_id) or known.get(job_id) or f"job {job_id}"
        yield JobLine(job_id, name, job_id not in there, totals)


def _said(totals: Totals, outcomes: Iterable[Outcome]) -> list[str]:
    counts = {label(each).lower(): totals.outcomes[each] for each in outcomes} | {
        "not ended": totals.unfinished
    }
    return [f"{grouped(count)} {word}" for word, count in counts.items() if count]
