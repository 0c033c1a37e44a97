"""The ways to tell people: Apprise for mail and chat services, and a webhook of our own.

Nothing here says where it sent to: addresses hold passwords and tokens.

A webhook is a POST with a JSON body and the header

    X-Baton-Signature: t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>." + body, under the channel's secret>
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from baton.errors import BatonError
from baton.outbound import ANYWHERE, AddressRefused, open_connection, read_hosts

TIMEOUT_S = 20.0
SIGNATURE = "X-Baton-Signature"
_UNFIT = ("json", "jsons", "xml", "xmls", "form", "forms", "syslog", "dbus", "windows", "macosx", "file")
"""Apprise addresses that would send anywhere, or to this machine: what a webhook is for."""


class NotSent(BatonError):
    """The other side did not take it."""


def apprise_problem(url: str) -> str:
    """What is wrong with an Apprise address; empty if nothing is. It is never repeated."""
    import apprise

    scheme = url.partition(":")[0].lower()
    if scheme in _UNFIT:
        return f"{scheme}:// is not taken here: use a webhook"
    if not apprise.Apprise().add(url):
        return (
            "this is no address that Apprise knows, as mailto://user:password@example.com?to=me@example.com"
        )
    return ""


def send_apprise(url: str, subject: str, body: str) -> None:
    """Send by Apprise; raises `NotSent`."""
    import apprise

    problem = apprise_problem(url)
    if problem:
        raise NotSent(problem)
    channel = apprise.Apprise()
    channel.add(url)
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        if not channel.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT):
            raise NotSent(_reason(said.getvalue(), url))


def _reason(said: str, url: str) -> str:
    """The last thing Apprise said, without what its address must not tell."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    text = lines[-1] if lines else "the other side did not take it"
    parts = urlsplit(url)
    for secret in (url, parts.netloc, parts.password, parts.username, parts.path.strip("/"), parts.query):
        if secret and len(secret) > 3:
            text = text.replace(secret, "…")
    return text[:500]


def send_webhook(
    url: str, secret: str, facts: Mapping[str, str], alarm_id: int, now_ms: int, allowed: Sequence[str]
) -> None:
    """POST the facts, signed; raises `NotSent`."""
    body = json.dumps({"alarm": alarm_id, **facts}, ensure_ascii=False).encode("utf-8", "replace")
    parts = urlsplit(url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Baton",
        SIGNATURE: signature(secret, body, now_ms // 1000),
        # whoever receives it can tell a repetition from a second alarm
        "Idempotency-Key": f"baton-alarm-{alarm_id}",
    }
    try:
        hosts = read_hosts(allowed) if allowed else [ANYWHERE]
        connection = open_connection(parts.scheme, parts.hostname or "", parts.port, hosts, TIMEOUT_S)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read(65_536)
        finally:
            connection.close()
    except AddressRefused as problem:
        raise NotSent(str(problem)) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NotSent(f"{type(problem).__name__}: the webhook did not answer") from None
    if not 200 <= answer.status < 300:
        raise NotSent(f"the webhook answered {answer.status} {answer.reason}"[:500])


def signature(secret: str, body: bytes, at_s: int) -> str:
    """What stands in the header."""
    mac = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={mac}"
