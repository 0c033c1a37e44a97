"""What runs now, what comes next, what went wrong."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from baton.store.engine import read

from ..queries import overview as asked
from ..queries import reports
from ..queries.reports import Question
from ..resources import resources

overview = Blueprint("overview", __name__)


@overview.get("/")
def show() -> str:
    """The page people leave open."""
    with read(resources().engine) as connection:
        found = asked.look(connection, resources().now_ms())
        range_ = request.args.get("range") or reports.range_to_begin_with(connection)
        question = Question.from_args({"range": range_})
        report = reports.news(connection, question)
    return render_template("overview/show.html", overview=found, asked=question, report=report, q=reports)
