"""Backfills: fire times of a past range that had no run, planned now."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.errors import InputError
from baton.store import backfill, jobs
from baton.store.backfill import Backfill
from baton.store.engine import read, write
from baton.store.jobs import JobView

from .. import audit
from ..forms.backfill import BackfillForm
from ..resources import resources
from ..wake import wake_schedulers

backfills_pages = Blueprint("backfills", __name__)

SHOWN_TIMES = 10


@backfills_pages.get("/jobs/<id:job_id>/backfills/new")
def new(job_id: int) -> str | tuple[str, int]:
    """Ask for a range; once there is one, say how many runs it would be."""
    now_ms = resources().now_ms()
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        if "begin" not in request.args:
            return _page(job, BackfillForm.blank(job, now_ms))
        form = BackfillForm.submitted(request.args, job)
        if form.errors:
            return _page(job, form), 422
        try:
            found = backfill.look(connection, job_id, form.from_ms, form.until_ms, now_ms)
        except InputError as problem:
            return _page(job, form.with_problem(problem)), 422
    return _page(job, form, found)


@backfills_pages.post("/jobs/<id:job_id>/backfills")
def create(job_id: int) -> Response | tuple[str, int]:
    """Plan them. A second click finds that they have their runs."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
    form = BackfillForm.submitted(request.form, job)
    if form.errors:
        return _page(job, form), 422
    try:
        planned = _plan(job, form)
    except InputError as problem:
        return _page(job, form.with_problem(problem)), 422
    wake_schedulers("backfill.planned")
    flash(f"{planned:,} run{'s are' if planned != 1 else ' is'} planned for “{job.name}”.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


def _plan(job: JobView, form: BackfillForm) -> int:
    """How many runs this planned. Raises `InputError` for a range that cannot be planned."""
    with write(resources().engine) as connection:
        found = backfill.plan(connection, job.id, form.from_ms, form.until_ms, resources().now_ms())
        planned = len(found.missing)
        if planned:
            facts = {"name": job.name, "runs": planned, "begin": form.begin, "end": form.end}
            audit.record(connection, "job.backfill", f"job {job.id}", **facts)
    return planned


def _page(job: JobView, form: BackfillForm, found: Backfill | None = None) -> str:
    return render_template("backfills/new.html", job=job, form=form, found=found, most_shown=SHOWN_TIMES)


def _job(connection: Connection, job_id: int) -> JobView:
    job = jobs.get(connection, job_id)
    if job is None:
        abort(404, f"There is no job {job_id}; perhaps it was deleted.")
    return job
