"""Tokens of programs that use the API."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from baton.store import api_tokens
from baton.store.engine import read, write

from .. import audit
from ..forms.reading import Reading
from ..resources import resources

api_tokens_pages = Blueprint("api_tokens", __name__)

NAME_LIMIT = 64


@api_tokens_pages.get("/api-tokens")
def index() -> str:
    """All of them, without their secrets."""
    return _page()


@api_tokens_pages.post("/api-tokens")
def create() -> str | tuple[str, int]:
    """Make a token and show it, this once: no redirect, for then it would have to be kept somewhere."""
    reading = Reading(request.form)
    name = reading.line("name", "The name", NAME_LIMIT, is_required=True)
    if reading.errors:
        return _page(name=name, errors=reading.errors), 422
    for_scripts = reading.is_checked("may_write_scripts")
    with write(resources().engine) as connection:
        secret = api_tokens.make(
            connection, name, str(g.person), resources().now_ms(), may_write_scripts=for_scripts
        )
        audit.record(connection, "api_token.create", f"token {name}", may_write_scripts=for_scripts)
    return _page(secret=secret, made=name)


@api_tokens_pages.post("/api-tokens/<id:token_id>/revocation")
def revoke(token_id: int) -> Response:
    """Let it open nothing any more."""
    with write(resources().engine) as connection:
        if api_tokens.revoke(connection, token_id):
            audit.record(connection, "api_token.revoke", f"token {token_id}")
    flash("The token is revoked; it opens nothing any more.", "good")
    return redirect(url_for("api_tokens.index"), 303)


def _page(**values: object) -> str:
    with read(resources().engine) as connection:
        tokens = api_tokens.all_tokens(connection)
    return render_template("api_tokens/index.html", **{"tokens": tokens, "name": "", "errors": {}, **values})
