"""Drain an executor, so that its machine can be worked on, and let it claim again."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from baton.broker import control
from baton.failpoints import failpoint
from baton.store import groups
from baton.store.engine import write

from .. import audit
from ..resources import resources

drains = Blueprint("drains", __name__)


@drains.post("/groups/<id:group_id>/executors/<executor_id>/drain")
def create(group_id: int, executor_id: str) -> Response:
    """Let it finish what it has and claim nothing new from this group."""
    here, app_name = resources(), _on_record("executor.drain", group_id, executor_id)
    try:
        is_told = control.drain(here.redis, app_name, executor_id, str(g.person), here.now_ms())
    except RedisError:
        abort(503, "Redis does not answer, so the executor was not told. Try again in a moment.")
    if is_told:
        flash(f"{executor_id} finishes what it has and takes nothing new until it is resumed.", "good")
    return _answer(executor_id, is_told=is_told)


@drains.post("/groups/<id:group_id>/executors/<executor_id>/drain/end")
def end(group_id: int, executor_id: str) -> Response:
    """Let it claim again."""
    app_name = _on_record("executor.resume", group_id, executor_id)
    try:
        is_told = control.resume(resources().redis, app_name, executor_id)
    except RedisError:
        abort(503, "Redis does not answer, so the executor was not told. Try again in a moment.")
    if is_told:
        flash(f"{executor_id} takes runs again.", "good")
    return _answer(executor_id, is_told=is_told)


def _on_record(action: str, group_id: int, executor_id: str) -> str:
    with write(resources().engine) as connection:
        app_names = {group.id: group.app_name for group in groups.all_groups(connection)}
        if group_id not in app_names:
            abort(404, "This executor group was deleted.")
        audit.record(connection, action, f"executor {executor_id}", group=app_names[group_id])
    # on record, and not yet told: a crash here drains nobody, and the person asks again
    failpoint("drain.recorded")
    return app_names[group_id]


def _answer(executor_id: str, *, is_told: bool) -> Response:
    if not is_told:
        flash(f"{executor_id} is not there any more.", "warn")
    return redirect(url_for("executors.index"), 303)
