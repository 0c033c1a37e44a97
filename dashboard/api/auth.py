"""Who asks: a token in the Authorization header. Cookies count for nothing here."""

from __future__ import annotations

from flask import g, request

from baton.store import api_tokens
from baton.store.engine import read, write

from ..resources import resources
from .reading import Refused


def recognise(*, is_for_scripts: bool) -> None:
    """Find the token, or refuse; scripts want one that was made for them."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    address = request.remote_addr or ""
    wait_s = resources().throttle.wait_s("", address)
    if wait_s > 0:
        raise Refused(429, "too_many_tries", f"Too many wrong tokens; wait {max(1, round(wait_s))} s.")
    if scheme.lower() != "bearer" or not secret.startswith(api_tokens.PREFIX):
        raise Refused(
            401, "no_token", "Send the header Authorization: Bearer <token>; `baton token create` makes one."
        )
    with read(resources().engine) as connection:
        token = api_tokens.find(connection, secret.strip())
    if token is None:
        resources().throttle.failed("", address)
        raise Refused(401, "wrong_token", "This token is not known; perhaps it was revoked.")
    g.person = f"token {token.name}"
    if is_for_scripts and not token.may_write_scripts:
        raise Refused(
            403,
            "not_for_scripts",
            "This token was not made for scripts; `baton token create NAME --scripts` makes one.",
        )
    now_ms = resources().now_ms()
    if now_ms - token.last_used_at >= api_tokens.TOUCH_EVERY_MS:
        with write(resources().engine) as connection:
            api_tokens.touch(connection, token.id, now_ms)
