"""Results that could not be applied: look, replay, delete."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from baton.broker.results import Results
from baton.failpoints import failpoint
from baton.store import failed_callbacks
from baton.store.engine import read, write
from baton.store.failed_callbacks import FailedCallbackView

from .. import audit
from ..queries.run_list import row_id
from ..resources import resources

failed_callbacks_pages = Blueprint("failed_callbacks", __name__)

PAGE_ROWS = 50


@failed_callbacks_pages.get("/failed-callbacks")
def index() -> str:
    """The newest first."""
    with read(resources().engine) as connection:
        before_id = row_id(request.args.get("before", ""))
        found = failed_callbacks.list_page(connection, before_id, PAGE_ROWS + 1)
    shown = found[:PAGE_ROWS]
    older = str(shown[-1].id) if len(found) > PAGE_ROWS else ""
    return render_template("failed_callbacks/index.html", rows=shown, older=older)


@failed_callbacks_pages.post("/failed-callbacks/<id:failed_callback_id>/replays")
def replay(failed_callback_id: int) -> Response:
    """Put the result into its stream again; what becomes of it, the callbacks process says."""
    kept = _kept(failed_callback_id)
    results = Results(resources().redis, resources().blocking_redis, "dashboard")
    results.append(kept.app_name, {kept.field: kept.payload})
    # in the stream, still kept: after a crash here it may be replayed twice: nothing changes
    failpoint("replay.appended")
    _forget(kept, "failed_callback.replay")
    flash("The result is in its stream again. If it still cannot be applied, it comes back here.", "good")
    return redirect(url_for("failed_callbacks.index"), 303)


@failed_callbacks_pages.post("/failed-callbacks/<id:failed_callback_id>/deletion")
def delete(failed_callback_id: int) -> Response:
    """Nobody wants it any more."""
    _forget(_kept(failed_callback_id), "failed_callback.delete")
    flash("Deleted.", "good")
    return redirect(url_for("failed_callbacks.index"), 303)


def _kept(failed_callback_id: int) -> FailedCallbackView:
    with read(resources().engine) as connection:
        kept = failed_callbacks.get(connection, failed_callback_id)
    if kept is None:
        abort(404, "This result is not kept any more; somebody decided already.")
    return kept


def _forget(kept: FailedCallbackView, action: str) -> None:
    with write(resources().engine) as connection:
        failed_callbacks.delete(connection, kept.id)
        audit.record(
            connection,
            action,
            f"failed callback {kept.id}",
            run=kept.log_id,
            field=kept.field,
            reason=kept.reason,
        )
