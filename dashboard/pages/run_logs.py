"""Run logs, a part at a time: from either end, around a place, or the places of a text."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from baton.store import runs
from baton.store.engine import read

from ..queries import run_list, run_log
from ..queries.run_log import LogQuestion
from ..resources import resources

run_logs_pages = Blueprint("run_logs", __name__)


@run_logs_pages.get("/runs/<id:log_id>/log/pages")
def show(log_id: int) -> str:
    """One part of the log of a run; without a question, its end."""
    with read(resources().engine) as connection:
        run = runs.get(connection, log_id)
    if run is None:
        abort(404, f"There is no run {log_id}; perhaps it was deleted.")
    asked = LogQuestion.from_args(request.args)
    [shown] = run_list.with_states([run])
    page = run_log.page(resources(), run, asked)
    return render_template("run_logs/show.html", run=run, shown=shown, asked=asked, page=page)
