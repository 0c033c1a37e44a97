"""What every answer carries and every request has to pass, whatever the view behind it does.

A request that changes something must come from one of our own pages: the browser says so
(`Sec-Fetch-Site`, or `Origin` from an older one), and the form carries a token that only such a
page could have. The token hangs on the session, or on a nonce before anybody has signed in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from flask import Flask, Response, abort, g, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from .api.reading import API_PATH
from .options import Options
from .resources import resources

BODY_LIMIT_BYTES = 2 * 1024 * 1024
QUERY_PARAMETERS_LIMIT = 30
QUERY_VALUE_LIMIT = 512
TOKEN_FIELD = "csrf_token"  # noqa: S105 - the name of a form field
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_STATIC_KEPT_S = 365 * 24 * 3600

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STRICT_TRANSPORT = "max-age=31536000"


class _SignedCookies(SecureCookieSessionInterface):
    """Flask's signed cookie, with a hash that nobody has to defend. It holds notices and a nonce only."""

    digest_method = staticmethod(hashlib.sha256)


def install(app: Flask, options: Options) -> None:
    """Put the guards before and the headers after every view of `app`."""
    app.secret_key = options.secret_key
    app.session_interface = _SignedCookies()
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_LIMIT_BYTES,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT_BYTES,
        MAX_FORM_PARTS=100,
        SESSION_COOKIE_NAME=cookie_name("baton-page", secure=options.secure_cookies),
        SESSION_COOKIE_SECURE=options.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SEND_FILE_MAX_AGE_DEFAULT=_STATIC_KEPT_S,
    )
    if options.trusted_proxies:
        proxies = options.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    app.before_request(refuse_what_is_too_long)
    app.after_request(add_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token


def install_form_guard(app: Flask) -> None:
    """To be installed after what finds out who asks: the token hangs on the session."""
    app.before_request(refuse_foreign_writes)


def cookie_name(name: str, *, secure: bool) -> str:
    """`__Host-` lets no other host of the same domain, and no plain HTTP page, set this cookie."""
    return f"__Host-{name}" if secure else name


def refuse_what_is_too_long() -> None:
    """No page of ours asks this much: the rest of the code need not think of it."""
    values = [value for _, value in request.args.items(multi=True)]
    if len(values) > QUERY_PARAMETERS_LIMIT or any(len(value) > QUERY_VALUE_LIMIT for value in values):
        abort(400, "The address has too many parameters, or one that is too long.")
    if any("\x00" in value for value in values):
        abort(400, "The address has a parameter with a NUL character.")


def refuse_foreign_writes() -> None:
    """Every change needs one of our own pages and its token, before any view sees it."""
    if request.method in _SAFE_METHODS or request.path.startswith(API_PATH):
        return  # a program shows its token with each request; no browser does that by itself
    if not _comes_from_here():
        abort(403, "This change was asked for by another site. Nothing was changed.")
    if not hmac.compare_digest(request.form.get(TOKEN_FIELD, "").encode(), csrf_token().encode()):
        abort(403, "This form is too old, or was not made for you. Open the page again and repeat it.")


def _comes_from_here() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    # neither header: not a browser of these years; the token alone decides
    return origin is None or origin == _own_origin()


def _own_origin() -> str:
    scheme = "https" if resources().options.secure_cookies else request.scheme
    return f"{scheme}://{request.host}"


def csrf_token() -> str:
    """What a form of this page must carry; another session has another one."""
    bound_to = g.get("session_token") or _nonce()
    key = resources().options.secret_key.encode()
    return hmac.new(key, b"form token\0" + bound_to.encode(), hashlib.sha256).hexdigest()


def _nonce() -> str:
    if "nonce" not in session:
        session["nonce"] = secrets.token_urlsafe(16)
    return str(session["nonce"])


def add_headers(response: Response) -> Response:
    """The same headers on pages, errors and files; only files may be kept."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static" or response.status_code >= 400:
        response.headers["Cache-Control"] = "no-store"
    if resources().options.secure_cookies:
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return response
