"""Results that could not be applied: look, replay, discard."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from redis.exceptions import RedisError
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton.broker.results import Results
from baton.failpoints import failpoint
from baton.store import failed_callbacks
from baton.store.engine import read, write
from baton.store.failed_callbacks import FailedCallbackView

from .. import audit
from ..forms.reading import Reading
from ..queries.payload import HEX_BYTES, read_payload
from ..queries.run_list import row_id
from ..resources import resources

failed_callbacks_pages = Blueprint("failed_callbacks", __name__)

PAGE_ROWS = 50
REASON_LIMIT = 200
REPLAYED_AT_ONCE = 200
MOST_REPLAYED = 10_000
"""What one click replays: a person waits for the answer."""


@failed_callbacks_pages.get("/failed-callbacks")
def index() -> str:
    """The newest first: those that wait for a decision, or those that were discarded."""
    asked = {"group": request.args.get("group", ""), "discarded": request.args.get("discarded", "")}
    with read(resources().engine) as connection:
        found = failed_callbacks.list_page(
            connection,
            row_id(request.args.get("before", "")),
            PAGE_ROWS + 1,
            app_name=asked["group"],
            is_discarded=bool(asked["discarded"]),
        )
        waiting = failed_callbacks.backlog(connection)
        discarded = failed_callbacks.count(connection, is_discarded=True)
    shown = found[:PAGE_ROWS]
    older = str(shown[-1].id) if len(found) > PAGE_ROWS else ""
    return render_template(
        "failed_callbacks/index.html", rows=shown, older=older, asked=asked, waiting=waiting,
        total=sum(group.waiting for group in waiting), discarded=discarded,
    )  # fmt: skip


@failed_callbacks_pages.get("/failed-callbacks/<id:failed_callback_id>")
def show(failed_callback_id: int) -> str:
    """Everything that is known of one, down to its bytes."""
    kept = _kept(failed_callback_id)
    payload = read_payload(kept, resources().options.access_token)
    return render_template("failed_callbacks/show.html", kept=kept, payload=payload, hex_bytes=HEX_BYTES)


@failed_callbacks_pages.post("/failed-callbacks/<id:failed_callback_id>/replays")
def replay(failed_callback_id: int) -> Response:
    """Put the result into its stream again; what becomes of it, the callbacks process says."""
    _replay([_kept(failed_callback_id)])
    flash("The result is in its stream again. If it still cannot be applied, it stays here.", "good")
    return redirect(url_for("failed_callbacks.index"), 303)


@failed_callbacks_pages.post("/failed-callbacks/replays")
def replay_all() -> Response:
    """Put all that wait for a decision into their streams again, of one group or of all."""
    group = request.form.get("group", "")
    with read(resources().engine) as connection:
        until_id = failed_callbacks.newest_id(connection)
    replayed, after_id = 0, 0
    while replayed < MOST_REPLAYED and (page := _page(after_id, until_id, group)):
        _replay(page)
        replayed, after_id = replayed + len(page), page[-1].id
    are = "results are" if replayed != 1 else "result is"
    flash(f"{replayed:,} {are} in their streams again. What still cannot be applied stays here.", "good")
    return redirect(url_for("failed_callbacks.index", group=group or None), 303)


@failed_callbacks_pages.post("/failed-callbacks/<id:failed_callback_id>/discards")
def discard(failed_callback_id: int) -> Response:
    """Nobody wants it; who says so says why."""
    kept = _kept(failed_callback_id)
    form = Reading(request.form)
    reason = form.line("reason", "The reason", REASON_LIMIT, is_required=True)
    if form.errors:
        flash(form.errors["reason"] + " A discarded result is gone for its run: say why.", "bad")
        return redirect(url_for("failed_callbacks.show", failed_callback_id=kept.id), 303)
    by, now_ms = str(g.person), resources().now_ms()
    with write(resources().engine) as connection:
        if not failed_callbacks.discard(connection, kept.id, by=by, reason=reason, now_ms=now_ms):
            abort(404, "This result does not wait any more; somebody decided already.")
        _record(connection, "failed_callback.discard", kept, discard_reason=reason)
    flash("Discarded. It stays under “Discarded” for a while.", "good")
    return redirect(url_for("failed_callbacks.index"), 303)


def _page(after_id: int, until_id: int, group: str) -> list[FailedCallbackView]:
    with read(resources().engine) as connection:
        return failed_callbacks.waiting_after(connection, after_id, until_id, REPLAYED_AT_ONCE, group)


def _kept(failed_callback_id: int) -> FailedCallbackView:
    with read(resources().engine) as connection:
        kept = failed_callbacks.get(connection, failed_callback_id)
    if kept is None:
        abort(404, "This result is not kept any more; somebody decided already, or it was applied.")
    return kept


def _replay(page: Sequence[FailedCallbackView]) -> None:
    results = Results(resources().redis, resources().blocking_redis, "dashboard")
    try:
        for kept in page:
            results.append(kept.app_name, {kept.field: kept.payload}, replay_of=kept.id)
    except RedisError:
        abort(503, "Redis does not answer, so nothing was replayed. Try again in a moment.")
    # in the stream, still kept: whoever applies it forgets it; after a crash here it is replayed again
    failpoint("replay.appended")
    with write(resources().engine) as connection:
        failed_callbacks.mark_replayed(connection, [kept.id for kept in page], resources().now_ms())
        for kept in page:
            _record(connection, "failed_callback.replay", kept)


def _record(connection: Connection, action: str, kept: FailedCallbackView, **facts: object) -> None:
    audit.record(
        connection, action, f"failed callback {kept.id}",
        run=kept.log_id, field=kept.field, reason=kept.reason, **facts,
    )  # fmt: skip
