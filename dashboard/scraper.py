"""Who may collect metrics: whoever shows the token of the settings, or this machine where there is none."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from flask import request

from .api.reading import Refused
from .resources import resources

_BY_PROXY = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Behind a proxy on this machine the whole world comes from here."""


def recognise() -> None:
    """Refuse everybody else: who the groups are, and how busy, is nobody else's affair."""
    token = resources().options.metrics_token
    if token:
        _check(token)
    elif not _is_this_machine():
        raise Refused(
            403,
            "no_metrics_token",
            "Metrics are for this machine only, until BATON_METRICS_TOKEN is set and sent as "
            "Authorization: Bearer <token>.",
        )


def _check(token: str) -> None:
    address = request.remote_addr or ""
    wait_s = resources().throttle.wait_s("", address)
    if wait_s > 0:
        raise Refused(429, "too_many_tries", f"Too many wrong tokens; wait {max(1, round(wait_s))} s.")
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(401, "no_token", "Send the header Authorization: Bearer <BATON_METRICS_TOKEN>.")
    if not hmac.compare_digest(shown.strip().encode(), token.encode()):
        resources().throttle.failed("", address)
        raise Refused(401, "wrong_token", "This is not BATON_METRICS_TOKEN.")


def _is_this_machine() -> bool:
    if any(name in request.headers for name in _BY_PROXY):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
