"""The webhook of our own: a POST with a JSON body and the header

    X-Baton-Signature: t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>." + body, under the channel's secret>

It goes to the address that was checked, and follows no redirect: neither a name that answers differently a
moment later nor the other side leads it into a network it may not reach.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from baton.outbound import ANYWHERE, AddressRefused, open_connection, read_hosts

from .channels import NotSent

TIMEOUT_S = 20.0
SIGNATURE = "X-Baton-Signature"
SETTING = "BATON_WEBHOOK_HOSTS"


def send(
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
        connection = open_connection(
            parts.scheme, parts.hostname or "", parts.port, hosts, TIMEOUT_S, SETTING
        )
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
