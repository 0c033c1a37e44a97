"""Kill a run: ask for it, and say truthfully what that met."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, request, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from baton.broker import control
from baton.broker.control import CancelVerdict
from baton.broker.keys import lane_of
from baton.failpoints import failpoint
from baton.store import runs
from baton.store.engine import write
from baton.store.runs import RunView

from .. import audit
from ..filters import label
from ..forms.reading import Reading
from ..queries.timeline import lane_in
from ..resources import resources

cancellations = Blueprint("cancellations", __name__)

REASON_LIMIT = 200

VERDICTS: dict[CancelVerdict, tuple[str, str]] = {
    CancelVerdict.STOPPING: (
        "Run {id} is being stopped: its executor was told, and ends all of its processes.",
        "good",
    ),
    CancelVerdict.ENDED: ("Run {id} was still waiting. It is ended and will never start.", "good"),
    CancelVerdict.FLAGGED: ("Run {id} is marked: it ends instead of starting when its turn comes.", "good"),
    CancelVerdict.GONE: (
        "Run {id} neither waits nor runs any more: its result is on the way. Nothing was killed.",
        "warn",
    ),
}


@cancellations.post("/runs/<id:log_id>/cancellation")
def create(log_id: int) -> Response:
    """Ask for the end of a run that has not ended."""
    reading = Reading(request.form)
    said = reading.line("reason", "The reason", REASON_LIMIT)
    reason = (said if said and not reading.errors else "killed") + f" (by {g.person})"
    run = _ask_on_record(log_id, reason)
    # the wish is on record, the run not yet stopped: a crash here kills nothing, and the person asks again
    failpoint("kill.recorded")
    if run.app_name is None:
        abort(409, f"The executor group of run {log_id} was deleted: there is nobody to tell.")
    try:
        lane = lane_in(run) or lane_of(run.job_id)
        verdict = control.cancel(resources().redis, run.app_name, log_id, lane, reason)
    except RedisError:
        abort(503, f"Redis does not answer, so run {log_id} was not killed. Try again in a moment.")
    text, tone = VERDICTS[verdict]
    flash(text.format(id=log_id), tone)
    return redirect(url_for("runs.show", log_id=log_id), 303)


def _ask_on_record(log_id: int, reason: str) -> RunView:
    with write(resources().engine) as connection:
        run = runs.get(connection, log_id)
        if run is None:
            abort(404, f"There is no run {log_id}; perhaps it was deleted.")
        if run.outcome is not None:
            abort(409, f"Run {log_id} has ended already ({label(run.outcome).lower()}): nothing was killed.")
        audit.record(connection, "run.kill", f"run {log_id}", job=run.job_id, reason=reason)
    return run
