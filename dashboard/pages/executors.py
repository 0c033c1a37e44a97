"""Executors: who is there, what they can run, and the groups they belong to."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.store import groups, jobs
from baton.store.engine import read, write
from baton.store.jobs import JobFilter

from .. import audit
from ..forms.group import GroupEditForm, GroupForm
from ..queries import presence
from ..resources import resources

executors_pages = Blueprint("executors", __name__)
groups_pages = Blueprint("groups", __name__)

GONE = "There is no such group."


@executors_pages.get("/executors")
def index() -> str:
    """Every group and who serves it."""
    with read(resources().engine) as connection:
        return _page(connection, GroupForm())


@groups_pages.post("/groups")
def create() -> Response | tuple[str, int]:
    """Make a group, so that jobs can be given to it; executors need no permission to join."""
    form = GroupForm.submitted(request.form)
    if form.errors:
        with read(resources().engine) as connection:
            return _page(connection, form), 422
    with write(resources().engine) as connection:
        is_new = all(group.app_name != form.app_name for group in groups.all_groups(connection))
        groups.ensure(connection, form.app_name, form.title, resources().now_ms())
        if is_new:
            audit.record(connection, "group.create", f"group {form.app_name}", title=form.title)
    flash(f"Group “{form.app_name}” is {'made' if is_new else 'there already'}.", "good")
    return redirect(url_for("executors.index"), 303)


@groups_pages.get("/groups/<id:group_id>")
def edit(group_id: int) -> str:
    """A group, to be changed."""
    return _edit_page(group_id)


@groups_pages.post("/groups/<id:group_id>")
def update(group_id: int) -> Response | tuple[str, int]:
    """Change its title, and how long its runs are kept."""
    form = GroupEditForm.submitted(request.form)
    if form.errors:
        return _edit_page(group_id, form), 422
    rule = {
        "keep_days": form.keep_days,
        "keep_failed_days": form.keep_failed_days,
        "keep_runs": form.keep_runs,
    }
    with write(resources().engine) as connection:
        is_saved = groups.edit(connection, group_id, title=form.title, **rule)
        if is_saved:
            audit.record(connection, "group.update", f"group {group_id}", title=form.title, **rule)
    if not is_saved:
        abort(404, GONE)
    flash("Saved.", "good")
    return redirect(url_for("executors.index"), 303)


def _edit_page(group_id: int, form: GroupEditForm | None = None) -> str:
    with read(resources().engine) as connection:
        group = groups.get(connection, group_id)
    if group is None:
        abort(404, GONE)
    usual = resources().options.keep
    return render_template(
        "executors/group.html", group=group, form=form or GroupEditForm.of(group), usual=usual
    )


def _page(connection: Connection, form: GroupForm) -> str:
    served = presence.of_groups(groups.all_groups(connection))
    counts = {group_id: jobs.count(connection, JobFilter(group_id)) for group_id in served}
    return render_template(
        "executors/index.html",
        served=list(served.values()),
        jobs=counts,
        form=form,
        now_ms=resources().now_ms(),
        silent_after_ms=round(resources().options.executor_dead_after_s * 1000),
    )
