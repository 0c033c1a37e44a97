"""The way in and out: sign in, sign out, and the one-time link that makes the first person."""

from __future__ import annotations

import threading

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, session, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from baton import telemetry
from baton.store import access as accounts
from baton.store.engine import read, write

from .. import audit
from ..access import drop_session, keep_session, local_path
from ..forms.person import NAME_LIMIT, PersonForm
from ..resources import resources

sessions = Blueprint("sessions", __name__)

WRONG = "The name or the password is not right."
"""The same words whether the name exists or not."""
LINK_OVER = "This link was used already, or is too old. The command “baton signin” prints another one."

_hashing = threading.BoundedSemaphore(2)
"""A check takes much memory on purpose: no crowd of guesses may take all of it."""


@sessions.get("/sign-in")
def new() -> Response | str:
    """Name and password."""
    if g.get("person") is not None:
        return redirect(local_path(request.args.get("next", "")), 303)
    return _sign_in_page(PersonForm(), next_page=request.args.get("next", ""))


@sessions.post("/sign-in")
def create() -> Response:
    """Sign in, if name and password fit and it is not too soon after wrong ones."""
    form = PersonForm.to_sign_in(request.form)
    if form.errors:
        return make_response(_sign_in_page(form), 422)
    address = request.remote_addr or ""
    wait_s = resources().throttle.wait_s(form.name, address)
    if wait_s > 0:
        return _too_soon(form, wait_s)
    if not _fits(form):
        resources().throttle.failed(form.name, address)
        _note_failure(form.name)
        return make_response(_sign_in_page(form, problem=WRONG), 401)
    resources().throttle.succeeded(form.name, address)
    with write(resources().engine) as connection:
        token = _begin_session(connection, form.name)
    return _welcomed(token, request.form.get("next", ""))


@sessions.get("/sign-in/<secret>")
def welcome(secret: str) -> Response:
    """The form behind a one-time link. Looking does not use it up: mail programs look, too."""
    with read(resources().engine) as connection:
        is_open = accounts.link_is_open(connection, secret, resources().now_ms())
    if not is_open:
        abort(404, LINK_OVER)
    return make_response(render_template("sessions/welcome.html", form=PersonForm(), secret=secret))


@sessions.post("/sign-in/<secret>")
def redeem(secret: str) -> Response:
    """Use the link up: make the person, or give an existing one this password."""
    form = PersonForm.to_begin(request.form)
    if form.errors:
        return make_response(render_template("sessions/welcome.html", form=form, secret=secret), 422)
    with _hashing:
        password_hash = accounts.hash_password(form.password)
    with write(resources().engine) as connection:
        if not accounts.use_link(connection, secret, resources().now_ms()):
            abort(404, LINK_OVER)
        accounts.set_password(connection, form.name, password_hash, resources().now_ms())
        token = _begin_session(connection, form.name, by_link=True)
    return _welcomed(token, "")


@sessions.post("/sign-out")
def end() -> Response:
    """End this session, here and in the database."""
    with write(resources().engine) as connection:
        accounts.end_session(connection, g.session_token)
        audit.record(connection, "session.end", f"user {g.person}")
    session.clear()
    response = redirect(url_for("sessions.new"), 303)
    drop_session(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _sign_in_page(form: PersonForm, problem: str = "", next_page: str = "") -> str:
    with read(resources().engine) as connection:
        is_empty = not accounts.has_users(connection)
    wanted = next_page or request.form.get("next", "")
    return render_template("sessions/new.html", form=form, problem=problem, next=wanted, is_empty=is_empty)


def _too_soon(form: PersonForm, wait_s: float) -> Response:
    seconds = max(1, round(wait_s))
    text = f"Too many wrong tries. Wait {seconds} second{'s' if seconds != 1 else ''}, then try again."
    response = make_response(_sign_in_page(form, problem=text), 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _fits(form: PersonForm) -> bool:
    with read(resources().engine) as connection:
        password_hash = accounts.password_hash(connection, form.name)
    # checked also for a name that does not exist: the time must not tell
    with _hashing:
        return accounts.verify(password_hash, form.password)


def _note_failure(name: str) -> None:
    with write(resources().engine) as connection:
        audit.record(connection, "session.refuse", f"user {name[:NAME_LIMIT]}")
    telemetry.warning("signin.failed", name=name, address=request.remote_addr)


def _begin_session(connection: Connection, name: str, *, by_link: bool = False) -> str:
    """A session with an id of its own, whatever cookie came with the request; an older one ends."""
    if g.get("session_token"):
        accounts.end_session(connection, g.session_token)
    now_ms = resources().now_ms()
    token = accounts.begin_session(connection, name, now_ms, now_ms + resources().options.session_lifetime_ms)
    g.person = name
    audit.record(connection, "session.begin", f"user {name}", by_link=by_link)
    telemetry.event("signin.done", name=name, by_link=by_link)
    return token


def _welcomed(token: str, next_page: str) -> Response:
    session.clear()
    response = redirect(local_path(next_page), 303)
    keep_session(response, token)
    return response
