"""The script of a job: its source, its history."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.declarations import has_other_script
from baton.store import glue, groups, jobs
from baton.store.engine import read, write
from baton.store.jobs import JobView
from baton.vocabulary import GlueType

from .. import audit
from ..forms.script import ScriptForm
from ..queries import presence, script_diff
from ..resources import resources

scripts_pages = Blueprint("scripts", __name__)


@scripts_pages.get("/jobs/<id:job_id>/script")
def show(job_id: int) -> str:
    """The source, to be changed, and the versions before."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        return _page(connection, job, ScriptForm.of(glue.current(connection, job_id)))


@scripts_pages.post("/jobs/<id:job_id>/script")
def save(job_id: int) -> Response | tuple[str, int]:
    """Make it the source of every run from the next on, unless somebody else saved one meanwhile."""
    form = ScriptForm.submitted(request.form)
    with write(resources().engine) as connection:
        job = _job(connection, job_id)
        if form.errors:
            return _page(connection, job, form), 422
        version_id = glue.save(
            connection, job_id, form.seen_id, form.source, form.remark, str(g.person), resources().now_ms()
        )
        if version_id is None:
            newest = glue.current(connection, job_id)
            text = "Somebody else saved a version since this page was opened. It stands first in the history."
            form = ScriptForm(form.source, form.remark, newest.id if newest else 0, {"source": text})
            return _page(connection, job, form), 409
        audit.record(
            connection, "job.script", f"job {job_id}", name=job.name, version=version_id, remark=form.remark
        )
    flash("Saved: the next run gets it. What runs now goes on with what it has.", "good")
    return redirect(url_for("scripts.show", job_id=job_id), 303)


@scripts_pages.get("/jobs/<id:job_id>/script/<id:version_id>")
def version(job_id: int, version_id: int) -> str:
    """A version of the past, and how it differs from the newest one."""
    with read(resources().engine) as connection:
        job = _job(connection, job_id)
        found = glue.get(connection, version_id)
        newest = glue.current(connection, job_id)
    if found is None or found.job_id != job_id or newest is None:
        abort(
            404, f"Job {job_id} has no version {version_id}; only the newest {glue.KEPT_VERSIONS} are kept."
        )
    lines = script_diff.compare(found.source, newest.source)
    return render_template("scripts/version.html", job=job, shown=found, newest=newest, lines=lines)


def _page(connection: Connection, job: JobView, form: ScriptForm) -> str:
    served = presence.of_groups([each for each in groups.all_groups(connection) if each.id == job.group_id])
    versions = glue.history(connection, job.id)
    return render_template(
        "scripts/show.html",
        job=job,
        form=form,
        presence=served[job.group_id],
        versions=versions,
        is_of_other_language=bool(versions) and versions[0].glue_type != job.glue_type,
        is_edited=bool(versions) and has_other_script(job, versions[0].source),
    )


def _job(connection: Connection, job_id: int) -> JobView:
    job = jobs.get(connection, job_id)
    if job is None:
        abort(404, f"There is no job {job_id}; perhaps it was deleted.")
    if not GlueType(job.glue_type).is_script:
        abort(404, f"Job {job_id} runs no script. Its form says what it runs.")
    return job
