"""Health: broken invariants that the last scan found, what they mean, and what to do about them."""

from __future__ import annotations

import uuid

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from baton.broker import chores
from baton.broker.chores import NoAnswer
from baton.scanner.checks import BY_NAME
from baton.scanner.repair import repair
from baton.store import findings
from baton.store.engine import read, write

from .. import audit
from ..queries import findings as asked
from ..resources import resources

findings_pages = Blueprint("findings", __name__)

_SCAN = "background.scan.scan"
_ANSWER_WITHIN_S = 25.0


@findings_pages.get("/findings")
def index() -> str:
    """What the last scan found."""
    with read(resources().engine) as connection:
        health = asked.look(connection, resources().now_ms())
    return render_template("findings/index.html", health=health)


@findings_pages.post("/scans")
def scan() -> Response:
    """Let the background process look now, and wait for it."""
    try:
        work = chores.queue(resources().redis)
        work_id = f"scan-{uuid.uuid4().hex}"
        found = chores.ask(work, _SCAN, work_id, resources().now_ms(), wait_s=_ANSWER_WITHIN_S)
    except NoAnswer as silence:
        flash(f"Nobody has looked: {silence}", "bad")
    except RedisError:
        flash("Nobody has looked: Redis does not answer", "bad")
    else:
        flash(f"Looked. Findings: {found}.", "warn" if found else "good")
    return redirect(url_for("findings.index"), 303)


@findings_pages.post("/findings/repairs")
def repair_all() -> Response:
    """Repair what one check found."""
    check = BY_NAME.get(request.form.get("check", ""))
    if check is None or check.repair is None:
        abort(404, "There is no repair for that.")
    with write(resources().engine) as connection:
        found = [each for each in findings.confirmed(connection) if each.check_name == check.name]
        for each in found:
            subject = f"{each.check_name} {each.subject}"
            audit.record(connection, "finding.repair", subject, group=each.app_name)
    try:
        repaired = repair(resources().redis, found)
    except RedisError:
        abort(503, "Redis does not answer, so nothing was repaired. Try again in a moment.")
    flash(f"Repaired: {repaired}. The next scan shows whether it is well.", "good")
    return redirect(url_for("findings.index"), 303)
