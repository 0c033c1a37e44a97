"""Who may do what: one table of endpoint -> access. What is not in it is refused.

Today a person who is signed in may do everything. Roles will be further values of `Access`.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from flask import Flask, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from baton.store import access as accounts
from baton.store.engine import read, write

from . import scraper
from .api import auth
from .options import Options
from .resources import resources
from .security import cookie_name

TOUCH_EVERY_MS = 60_000
"""How exactly `last_seen_at` is kept: a page a second need not be a write a second."""


class Access(StrEnum):
    """Who may ask for an endpoint."""

    ANYBODY = "anybody"
    """No look at the session at all: files, health checks."""
    VISITOR = "visitor"
    """The way in: for people who are not signed in yet."""
    SIGNED_IN = "signed in"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    """Programs: a token in the Authorization header, and no cookie."""
    SCRIPT_TOKEN = "token for scripts"  # noqa: S105
    """Programs whose token was made for it: who writes scripts runs programs on executors."""
    SCRAPER = "scraper"
    """Who collects metrics: by the token of the settings, or from this machine where there is none."""


FOR_PROGRAMS = (Access.TOKEN, Access.SCRIPT_TOKEN)


ACCESS: dict[str, Access] = {
    "static": Access.ANYBODY,
    "health.healthz": Access.ANYBODY,
    "health.readyz": Access.ANYBODY,
    "health.metrics": Access.SCRAPER,
    "sessions.new": Access.VISITOR,
    "sessions.create": Access.VISITOR,
    "sessions.welcome": Access.VISITOR,
    "sessions.redeem": Access.VISITOR,
    "sessions.end": Access.SIGNED_IN,
    "overview.show": Access.SIGNED_IN,
    "reports.show": Access.SIGNED_IN,
    "reports.days": Access.SIGNED_IN,
    "reports.jobs": Access.SIGNED_IN,
    "jobs.index": Access.SIGNED_IN,
    "jobs.new": Access.SIGNED_IN,
    "jobs.create": Access.SIGNED_IN,
    "jobs.show": Access.SIGNED_IN,
    "jobs.edit": Access.SIGNED_IN,
    "jobs.update": Access.SIGNED_IN,
    "jobs.start": Access.SIGNED_IN,
    "jobs.stop": Access.SIGNED_IN,
    "jobs.deletion": Access.SIGNED_IN,
    "jobs.delete": Access.SIGNED_IN,
    "jobs.fire_times": Access.SIGNED_IN,
    "scripts.show": Access.SIGNED_IN,
    "scripts.save": Access.SIGNED_IN,
    "scripts.version": Access.SIGNED_IN,
    "triggers.new": Access.SIGNED_IN,
    "triggers.create": Access.SIGNED_IN,
    "runs.index": Access.SIGNED_IN,
    "runs.show": Access.SIGNED_IN,
    "run_logs.show": Access.SIGNED_IN,
    "clean_ups.new": Access.SIGNED_IN,
    "clean_ups.create": Access.SIGNED_IN,
    "cancellations.create": Access.SIGNED_IN,
    "live.log": Access.SIGNED_IN,
    "live.log_events": Access.SIGNED_IN,
    "executors.index": Access.SIGNED_IN,
    "groups.create": Access.SIGNED_IN,
    "groups.edit": Access.SIGNED_IN,
    "groups.update": Access.SIGNED_IN,
    "drains.create": Access.SIGNED_IN,
    "drains.end": Access.SIGNED_IN,
    "calendars.index": Access.SIGNED_IN,
    "calendars.create": Access.SIGNED_IN,
    "calendars.edit": Access.SIGNED_IN,
    "calendars.update": Access.SIGNED_IN,
    "calendars.delete": Access.SIGNED_IN,
    "backfills.new": Access.SIGNED_IN,
    "backfills.create": Access.SIGNED_IN,
    "alarms.index": Access.SIGNED_IN,
    "alarms.new": Access.SIGNED_IN,
    "alarms.create": Access.SIGNED_IN,
    "alarms.edit": Access.SIGNED_IN,
    "alarms.update": Access.SIGNED_IN,
    "alarms.delete": Access.SIGNED_IN,
    "alarms.try_out": Access.SIGNED_IN,
    "alarms.send_again": Access.SIGNED_IN,
    "findings.index": Access.SIGNED_IN,
    "findings.scan": Access.SIGNED_IN,
    "findings.repair_all": Access.SIGNED_IN,
    "api_tokens.index": Access.SIGNED_IN,
    "api_tokens.create": Access.SIGNED_IN,
    "api_tokens.revoke": Access.SIGNED_IN,
    "failed_callbacks.index": Access.SIGNED_IN,
    "failed_callbacks.show": Access.SIGNED_IN,
    "failed_callbacks.replay": Access.SIGNED_IN,
    "failed_callbacks.replay_all": Access.SIGNED_IN,
    "failed_callbacks.discard": Access.SIGNED_IN,
    "api.jobs": Access.TOKEN,
    "api.job": Access.TOKEN,
    "api.trigger": Access.TOKEN,
    "api.triggers": Access.TOKEN,
    "api.backfill": Access.TOKEN,
    "api.run": Access.TOKEN,
    "api.reports": Access.TOKEN,
    "api.reports_by_job": Access.TOKEN,
    "api.script": Access.SCRIPT_TOKEN,
    "api.save_script": Access.SCRIPT_TOKEN,
}


def install(app: Flask) -> None:
    """Ask the table before every view of `app`. To be installed before what needs the session."""
    app.before_request(guard)


def guard() -> BaseResponse | None:
    """Find out who asks, and refuse what the table does not grant."""
    if request.endpoint is None:
        return None  # no such page: the answer is 404, for everybody
    needed = ACCESS.get(request.endpoint)
    if needed is None:
        abort(403, "Nobody may do this.")
    if needed is Access.SCRAPER:
        scraper.recognise()
    elif needed in FOR_PROGRAMS:
        auth.recognise(is_for_scripts=needed is Access.SCRIPT_TOKEN)
    elif needed is not Access.ANYBODY:
        recognise()
    if needed is Access.SIGNED_IN and g.get("person") is None:
        return _to_sign_in()
    return None


def recognise() -> None:
    """Set `g.person` and `g.session_token` from the session cookie, if its session stands."""
    options = resources().options
    token = request.cookies.get(session_cookie(options), "")
    if not token:
        return
    now_ms = resources().now_ms()
    with read(resources().engine) as connection:
        found = accounts.session(connection, token, now_ms, idle_ms=options.session_idle_ms)
    if found is None:
        return
    g.person, g.session_token = found.user_name, token
    if now_ms - found.last_seen_at >= TOUCH_EVERY_MS:
        with write(resources().engine) as connection:
            accounts.touch(connection, token, now_ms)


def session_cookie(options: Options) -> str:
    """The name of the cookie that holds the session's token."""
    return cookie_name("baton-session", secure=options.secure_cookies)


def keep_session(response: BaseResponse, token: str) -> None:
    """Give the browser its session."""
    options = resources().options
    response.set_cookie(
        session_cookie(options),
        token,
        max_age=options.session_lifetime_ms // 1000,
        secure=options.secure_cookies,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def drop_session(response: BaseResponse) -> None:
    """Take the session from the browser."""
    options = resources().options
    response.delete_cookie(
        session_cookie(options),
        secure=options.secure_cookies,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def local_path(address: str) -> str:
    """`address` if it is a path of this site, else the overview: nobody is sent elsewhere."""
    parts = urlsplit(address)
    is_local = not parts.scheme and not parts.netloc and address.startswith("/")
    # browsers read a backslash as a slash, and `//host` as another site
    if not is_local or address[1:2] in ("/", "\\") or not address.isprintable() or "\\" in address:
        return url_for("overview.show")
    return address


def _to_sign_in() -> BaseResponse:
    wants_page = request.method == "GET" and request.accept_mimetypes.accept_html
    if not wants_page:
        abort(401, "Sign in first.")
    asked = request.full_path.removesuffix("?")
    return redirect(url_for("sessions.new", next=asked if asked != "/" else None), 303)
