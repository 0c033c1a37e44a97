"""Clean-ups: ended runs that a person wants gone now, whatever the rule of their group."""

from __future__ import annotations

import secrets

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from redis.exceptions import RedisError
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.store import groups, jobs, retention
from baton.store.engine import read, write

from .. import audit
from ..clean_up import hand_over
from ..forms.clean_up import CleanUpForm
from ..resources import resources

clean_ups = Blueprint("clean_ups", __name__)

MOST_COUNTED = 100_000


@clean_ups.get("/runs/clean-ups/new")
def new() -> str | tuple[str, int]:
    """Ask which runs; once that is said, say how many they are."""
    with read(resources().engine) as connection:
        if not {"days", "newest"} & set(request.args):
            return _page(connection, CleanUpForm.blank(request.args))
        form = CleanUpForm.submitted(request.args)
        if form.errors:
            return _page(connection, form), 422
        spent = form.spent(resources().now_ms())
        floor_id = retention.floor(connection, spent)
        found = retention.count(connection, spent, floor_id, MOST_COUNTED + 1)
        return _page(connection, form, found)


@clean_ups.post("/runs/clean-ups")
def create() -> Response | tuple[str, int]:
    """Let the background process delete them."""
    form = CleanUpForm.submitted(request.form)
    with read(resources().engine) as connection:
        if form.errors:
            return _page(connection, form), 422
    spent = form.spent(resources().now_ms())
    clean_up_id = secrets.token_hex(6)
    with write(resources().engine) as connection:
        whose = {"group_id": form.group_id, "job_id": form.job_id}
        what = {"days": form.days, "newest": form.newest, "spares_failed": form.spares_failed}
        audit.record(connection, "runs.clean_up", f"clean-up {clean_up_id}", **whose, **what)
    try:
        hand_over(clean_up_id, spent)
    except RedisError:
        abort(503, "Redis does not answer, so nothing is deleted. Try again in a moment.")
    flash("The background process deletes them, a few at a time.", "good")
    return redirect(url_for("runs.index", group=form.group_id, job=form.job_id), 303)


def _page(connection: Connection, form: CleanUpForm, found: int | None = None) -> str:
    return render_template(
        "clean_ups/new.html",
        form=form,
        found=found,
        most_counted=MOST_COUNTED,
        groups=groups.all_groups(connection),
        job=jobs.get(connection, form.job_id) if form.job_id else None,
    )
