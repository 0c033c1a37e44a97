"""Who did what: written in the transaction that does it, so that neither is there without the other."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import g, request
from sqlalchemy import Connection

from baton import telemetry
from baton.store import access as accounts

from .resources import resources

SHOWN_LENGTH = 200
"""Longer values are cut: a parameter of 64 KiB is not a fact, and may hold what should not be kept twice."""


def record(connection: Connection, action: str, subject: str, **facts: object) -> None:
    """Write one audit event of the person who asks."""
    by = str(g.get("person") or "nobody")
    kept = {**facts, "address": request.remote_addr}
    accounts.record(
        connection, resources().now_ms(), by, action, subject, json.dumps(kept, ensure_ascii=False)
    )
    telemetry.event("audit", by=by, action=action, subject=subject)


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """Field -> [before, after], of the fields that differ."""
    return {
        name: [_shown(before.get(name, "")), _shown(value)]
        for name, value in after.items()
        if before.get(name, "") != value
    }


def _shown(value: str) -> str:
    return value if len(value) <= SHOWN_LENGTH else value[:SHOWN_LENGTH] + "…"
