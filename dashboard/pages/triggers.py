"""A trigger by hand: one row, whatever the number of clicks."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.store import groups, jobs, runs, triggers
from baton.store.engine import read, write
from baton.store.jobs import JobView
from baton.vocabulary import TriggerType

from .. import audit
from ..access import local_path
from ..forms.trigger import TriggerForm
from ..queries import presence, run_list
from ..resources import resources
from ..wake import wake_schedulers

triggers_pages = Blueprint("triggers", __name__)


@triggers_pages.get("/jobs/<id:job_id>/triggers/new")
def new(job_id: int) -> str:
    """A form with the job's parameter, or with that of the run `?run=`."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        form = TriggerForm.blank(job)
        again = run_list.row_id(request.args.get("run", ""))
        run = runs.get(connection, again) if again else None
        if run is not None and run.job_id == job_id:
            form = replace(form, param=run.executor_param)
        return _form(connection, job, form)


@triggers_pages.post("/jobs/<id:job_id>/triggers")
def create(job_id: int) -> Response | tuple[str, int]:
    """Insert the row and go to its page. A second click finds the row of the first."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        form = TriggerForm.submitted(request.form, job)
        if form.errors:
            return _form(connection, job, form), 422
    with write(resources().engine) as connection:
        is_new, log_id = _plan(connection, _job(connection, job_id), form)
    wake_schedulers("trigger.planned")
    flash(f"“{job.name}” is triggered." if is_new else "This was triggered already; here is its run.", "good")
    back = request.form.get("back", "")
    return redirect(local_path(back) if back else url_for("runs.show", log_id=log_id), 303)


def _plan(connection: Connection, job: JobView, form: TriggerForm) -> tuple[bool, int]:
    """Whether this made the row, and its log id."""
    now_ms = resources().now_ms()
    key = triggers.key_manual(form.token)
    trigger = triggers.of_job(job, key, TriggerType.MANUAL, now_ms, param=form.param)
    is_new = triggers.plan(connection, [trigger], now_ms) == 1
    log_id = triggers.log_id_of(connection, job.id, key)
    if is_new:
        is_override = form.param != job.executor_param
        audit.record(
            connection, "job.trigger", f"job {job.id}", name=job.name, run=log_id, override=is_override
        )
    return is_new, log_id


def _form(connection: Connection, job: JobView, form: TriggerForm) -> str:
    served = presence.of_groups([each for each in groups.all_groups(connection) if each.id == job.group_id])
    return render_template("triggers/new.html", job=job, trigger=form, presence=served[job.group_id])


def _job(connection: Connection, job_id: int) -> JobView:
    job = jobs.get(connection, job_id)
    if job is None:
        abort(404, f"There is no job {job_id}; perhaps it was deleted.")
    return job
