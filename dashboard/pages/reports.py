"""What became of runs: charts, tables, and the same numbers as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Blueprint, Response, render_template, request

from baton.store import groups, report_rows
from baton.store.engine import read
from baton.vocabulary import Outcome

from ..queries import reports as asked_of
from ..queries.reports import Question
from ..resources import resources

reports_pages = Blueprint("reports", __name__)

MOST_CHOICES = 500
"""Of more jobs nobody finds one in a list; their names in the table lead to them."""


@reports_pages.get("/reports")
def show() -> str:
    """Charts of some days, and a table of jobs."""
    asked = Question.from_args(request.args)
    with read(resources().engine) as connection:
        found = asked_of.recall(connection, asked)
        known = groups.all_groups(connection)
        job_names = report_rows.names(connection, "job")
    choices = sorted(job_names.items(), key=lambda each: (each[1].lower(), each[0]))
    return render_template(
        "reports/show.html",
        asked=asked,
        report=found,
        lines=found.ordered(asked.order),
        groups=known,
        job_names=job_names,
        choices=choices if len(choices) <= MOST_CHOICES else [],
        q=asked_of,
    )


@reports_pages.get("/reports/days.csv")
def days() -> Response:
    """The days (or hours) of a report, a line each."""
    with read(resources().engine) as connection:
        found = asked_of.recall(connection, Question.from_args(request.args))
    head = (
        found.days.span,
        "triggered",
        *Outcome,
        "unfinished",
        *_quantile_names("run"),
        *_quantile_names("wait"),
    )
    rows = (
        (
            piece.period,
            totals.triggered,
            *(totals.outcomes[outcome] for outcome in Outcome),
            totals.unfinished,
            *(totals.run_times.quantile(share) for share in asked_of.SHARES),
            *(totals.wait_times.quantile(share) for share in asked_of.SHARES),
        )
        for piece, totals in found.series
    )
    return _csv(f"runs-{found.days.first}-{found.days.last}", head, rows)


@reports_pages.get("/reports/jobs.csv")
def jobs() -> Response:
    """The jobs of a report, a line each."""
    asked = Question.from_args(request.args)
    with read(resources().engine) as connection:
        found = asked_of.recall(connection, asked, is_whole=True)
    head = ("job_id", "job", "triggered", *Outcome, "unfinished", "run_ms", *_quantile_names("run"))
    rows = (
        (
            line.job_id,
            line.name,
            line.totals.triggered,
            *(line.totals.outcomes[outcome] for outcome in Outcome),
            line.totals.unfinished,
            line.totals.run_ms,
            *(line.totals.run_times.quantile(share) for share in asked_of.SHARES),
        )
        for line in sorted(found.jobs, key=lambda line: line.job_id)
    )
    return _csv(f"jobs-{found.days.first}-{found.days.last}", head, rows)


def _quantile_names(what: str) -> list[str]:
    return [f"{what}_p{share * 100:.0f}_ms" for share in asked_of.SHARES]


def _csv(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    answer = Response(text.getvalue(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _harmless(cell: object) -> object:
    """A spreadsheet takes text that begins like this for a formula, whoever wrote it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
