"""Error pages: what was wrong and what to do; never a trace, never a version."""

from __future__ import annotations

from flask import Flask, g, make_response, render_template, request
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from baton import telemetry

from .api.reading import API_PATH, Refused

TITLES: dict[int, str] = {
    400: "This cannot be read",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "This cannot be done here",
    409: "It is too late for that",
    413: "Too large",
    415: "This cannot be read",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Not available",
}

_OWN_WORDS: dict[int, str] = {
    404: "There is no such page.",
    405: "This address does not take what was sent to it.",
    413: "More than 2 MB were sent. A parameter has at most 64 KiB: store it elsewhere and pass a reference.",
    500: "The log of the web process has the details.",
}
"""Instead of the library's sentences."""


def install(app: Flask) -> None:
    """Answer every error of `app` with a page."""
    app.register_error_handler(Refused, refused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(SQLAlchemyError, database_error)
    app.register_error_handler(RedisError, redis_error)
    app.register_error_handler(Exception, unforeseen)


def refused(error: Refused) -> Response:
    """What a program has to mend."""
    answer = make_response({"error": error.to_map()}, error.status)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def http_error(error: HTTPException) -> Response:
    """An error somebody raised on purpose."""
    code = error.code or 500
    is_ours = error.description != type(error).description
    text = (
        error.description if is_ours and error.description else _OWN_WORDS.get(code, error.description or "")
    )
    answer = _page(code, text)
    if code == 405 and error.get_headers():
        answer.headers.extend({name: value for name, value in error.get_headers() if name == "Allow"})
    return answer


def database_error(error: SQLAlchemyError) -> Response:
    """The database is away, locked, or lacks our tables."""
    telemetry.problem("page.failed", error, path=request.path)
    return _page(503, "The database does not answer as expected. After an upgrade: baton migrate.")


def redis_error(error: RedisError) -> Response:
    """Redis is away, in a view that cannot do without it."""
    telemetry.problem("page.failed", error, path=request.path)
    return _page(503, "Redis does not answer. Try again in a moment.")


def unforeseen(error: Exception) -> Response:
    """A bug of ours."""
    telemetry.problem("page.failed", error, path=request.path)
    return _page(500, _OWN_WORDS[500])


def _page(code: int, text: str) -> Response:
    if request.path.startswith(API_PATH):
        return make_response({"error": {"code": f"http_{code}", "message": text}}, code)
    title = TITLES.get(code, "Something went wrong")
    # an error may come before anybody knows who asks; the page needs neither database nor Redis
    is_known = g.get("person") is not None
    page = render_template("error.html", code=code, title=title, text=text, is_known=is_known)
    return make_response(page, code)
