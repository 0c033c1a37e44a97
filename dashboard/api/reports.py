"""What became of runs over days, as numbers."""

from __future__ import annotations

from typing import Any

from flask import request

from baton.histogram import Histogram
from baton.store import groups
from baton.store.engine import read
from baton.store.report_rows import Totals
from baton.vocabulary import Outcome

from ..queries import reports
from ..queries.reports import RANGES, SHARES, Question, Report
from ..queries.run_list import row_id
from ..resources import resources
from .reading import Refused, only

_ASKED = {"range", "start", "end", "group", "job"}


def show() -> dict[str, Any]:
    """All runs of some days: together, and by day (or by hour, of one day that is not long ago)."""
    found = _look()
    pieces = [
        {"period": piece.period, "from_ms": piece.from_ms, "to_ms": piece.to_ms, **_map(totals)}
        for piece, totals in found.series
    ]
    return {**_head(found), "total": _map(found.total), f"{found.days.span}s": pieces}


def jobs() -> dict[str, Any]:
    """The same days by job, those with most runs first. Waiting is known of all jobs together only."""
    found = _look(is_whole=True)
    lines = [
        {"job_id": line.job_id, "name": line.name, "is_deleted": line.is_gone, **_map(line.totals)}
        for line in found.ordered("runs")
    ]
    return {**_head(found), "jobs": lines}


def _look(*, is_whole: bool = False) -> Report:
    args = {name: value.strip() for name, value in request.args.items()}
    only(args, _ASKED)
    _check(args)
    with read(resources().engine) as connection:
        if args.get("group"):
            known = {each.app_name: each.id for each in groups.all_groups(connection)}
            if args["group"] not in known:
                raise Refused(422, "bad_value", f"There is no group {args['group']!r}.", "group")
            args["group"] = str(known[args["group"]])
        return reports.recall(connection, Question.from_args(args), is_whole=is_whole)


def _check(args: dict[str, str]) -> None:
    """A misspelt day would be the usual thirty in silence."""
    if "range" in args and args["range"] not in RANGES:
        raise Refused(422, "bad_value", f"range must be one of {', '.join(RANGES)}.", "range")
    for name in ("start", "end"):
        if name in args and reports.day(args[name]) is None:
            raise Refused(422, "bad_value", f"{name} must be a day, as 2026-01-05.", name)
    if "job" in args and row_id(args["job"]) is None:
        raise Refused(422, "bad_value", "job must be the id of a job.", "job")


def _head(found: Report) -> dict[str, Any]:
    days = found.days
    return {
        "first": days.first.isoformat(),
        "last": days.last.isoformat(),
        "time_zone": days.zone,
        "counted_at": found.counted_at,
    }


def _map(totals: Totals) -> dict[str, Any]:
    return {
        "triggered": totals.triggered,
        **{outcome.value: totals.outcomes[outcome] for outcome in Outcome},
        "unfinished": totals.unfinished,
        "run_ms": totals.run_ms,
        "run_times": _quantiles(totals.run_times),
        "wait_times": _quantiles(totals.wait_times),
        "lateness": _quantiles(totals.lateness),
    }


def _quantiles(histogram: Histogram) -> dict[str, int] | None:
    """Milliseconds; None of nothing."""
    found = {f"p{share * 100:.0f}": histogram.quantile(share) for share in SHARES}
    return {name: ms for name, ms in found.items() if ms is not None} or None
