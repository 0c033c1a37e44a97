"""The log of a run while it is written, as Server-Sent Events; and the whole of it as a file.

A stream begins with the last lines, however long the log is. Events: `log` (lines, and the bytes they
are from and to), `state` (a sentence about why nothing comes), `end` (nothing more will come). The id of
a `log` event is the byte wanted next, so that a browser that connects again goes on where it was. The
executor holds each request until there is something new, so lines come as soon as they are written.
Each stream holds a thread: their number is bounded, and each ends after some minutes (the browser comes
back by itself) and when the process is told to stop.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, abort, request

from baton.broker.mailbox import LogAnswer
from baton.store import runs
from baton.store.engine import read
from baton.store.runs import RunView

from .filters import label
from .queries.run_log import RunLog, byte_of
from .resources import Resources, resources

live_pages = Blueprint("live", __name__)

WAIT_FOR_NEWS_S = 2.0
"""An executor may hold its answer that long; then it is asked again."""
POLL_S = 0.7
"""Before somebody who has nothing to hold is asked again."""
PING_EVERY_S = 10.0
"""A connection whose browser is gone is noticed by writing to it."""


@live_pages.get("/runs/<id:log_id>/log")
def log(log_id: int) -> Response:
    """The whole log as a file, as text and nothing else."""
    run = _run(resources(), log_id)
    return Response(
        RunLog(resources(), run).whole(),
        mimetype="text/plain",
        headers={"Content-Disposition": f'attachment; filename="run-{log_id}.log"'},
    )


@live_pages.get("/runs/<id:log_id>/log/events")
def log_events(log_id: int) -> Response:
    """Follow the log from the byte in `Last-Event-ID`, or `?from=`; else its last lines, and what follows."""
    here = resources()
    run = _run(here, log_id)
    wanted = request.headers.get("Last-Event-ID") or request.args.get("from", "")
    stream = here.streams.admit(_follow(here, run, byte_of(wanted)))
    if stream is None:
        abort(503, "Too many logs are being followed in this process. Close one, or download the log.")
    return Response(stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _follow(here: Resources, run: RunView, at: int | None) -> Iterator[str]:
    source = RunLog(here, run)
    began_s = written_s = time.monotonic()
    said = ""
    yield "retry: 1000\n\n"
    while here.streams.are_welcome and time.monotonic() - began_s < here.options.stream_lifetime_s:
        # asked first: what is in the log after the end was seen is all there will ever be
        source.run = _run_or(here, source.run)
        is_over = source.run.outcome is not None
        answer = source.last() if at is None else source.after(at, 0 if is_over else WAIT_FOR_NEWS_S)
        if answer.content:
            at = answer.to_byte
            yield _event("log", _lines(answer), event_id=at)
            said, written_s = "", time.monotonic()
            continue
        if is_over:
            yield _event("end", {"text": answer.message or _complete(source)})
            return
        if at is None and not answer.message:
            at = answer.to_byte
        if answer.message and answer.message != said:
            said, written_s = answer.message, time.monotonic()
            yield _event("state", {"text": said})
        elif time.monotonic() - written_s > PING_EVERY_S:
            written_s = time.monotonic()
            yield ": still here\n\n"
        time.sleep(POLL_S if answer.message else POLL_S / 10)


def _complete(source: RunLog) -> str:
    where = ", from the archive" if source.is_from_archive else ""
    return f"complete: {label(source.run.outcome or '').lower()}{where}"


def _lines(answer: LogAnswer) -> dict[str, object]:
    return {"from": answer.from_byte, "to": answer.to_byte, "text": answer.content}


def _event(name: str, data: dict[str, object], event_id: int | None = None) -> str:
    # JSON escapes line ends: no line of a log can pretend to be an event
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"


def _run_or(here: Resources, before: RunView) -> RunView:
    """The run as it is now; as it was, if it is gone."""
    with read(here.engine) as connection:
        return runs.get(connection, before.log_id) or before


def _run(here: Resources, log_id: int) -> RunView:
    with read(here.engine) as connection:
        run = runs.get(connection, log_id)
    if run is None:
        abort(404, f"There is no run {log_id}; perhaps it was deleted.")
    return run
