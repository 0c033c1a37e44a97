"""Results that could not be applied, kept with their reason until a person decides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

from sqlalchemy import Connection, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects import postgresql, sqlite

from .models import FailedCallback

_TABLE = FailedCallback.__table__
_LONGEST_FIELD = 64
"""A field that is no ending may be of any length."""


@dataclass(frozen=True, slots=True)
class FailedCallbackView:
    """One kept result."""

    id: int
    app_name: str
    entry_id: str
    field: str
    log_id: int | None
    reason: str
    payload: bytes
    first_seen: int
    last_seen: int
    tries: int


_ALL = select(*(_TABLE.c[field.name] for field in fields(FailedCallbackView)))


def keep(
    connection: Connection,
    *,
    app_name: str,
    entry_id: str,
    field: str,
    log_id: int | None,
    reason: str,
    payload: bytes,
    now_ms: int,
) -> None:
    """Keep one result. The same field of the same entry is kept once: a repeat counts a try."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(FailedCallback).values(
        app_name=app_name,
        entry_id=entry_id,
        field=_shortened(_storable(field)),
        log_id=log_id,
        reason=_storable(reason),
        payload=payload,
        first_seen=now_ms,
        last_seen=now_ms,
    )
    again = {"reason": statement.excluded.reason, "last_seen": now_ms, "tries": FailedCallback.tries + 1}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["app_name", "entry_id", "field"], set_=again)
    )


def list_page(
    connection: Connection, before_id: int | None = None, limit: int = 50
) -> list[FailedCallbackView]:
    """The newest ones, older than `before_id`."""
    statement = _ALL.order_by(FailedCallback.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(FailedCallback.id < before_id)
    return [FailedCallbackView(*row) for row in connection.execute(statement)]


def count(connection: Connection) -> int:
    """How many wait for a decision."""
    return connection.execute(select(func.count()).select_from(FailedCallback)).scalar_one()


def get(connection: Connection, failed_callback_id: int) -> FailedCallbackView | None:
    """One of them, or None."""
    row = connection.execute(_ALL.where(FailedCallback.id == failed_callback_id)).one_or_none()
    return FailedCallbackView(*row) if row else None


def delete(connection: Connection, failed_callback_id: int) -> bool:
    """Forget one; False if it is gone."""
    statement = delete_from(FailedCallback).where(FailedCallback.id == failed_callback_id)
    return connection.execute(statement).rowcount == 1


def _storable(text: str) -> str:
    """Text from outside as every database takes it: no NUL, no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _shortened(field: str) -> str:
    """At most 64 characters, and different fields stay different."""
    if len(field) <= _LONGEST_FIELD:
        return field
    digest = hashlib.sha256(field.encode()).hexdigest()[:16]
    return f"{field[: _LONGEST_FIELD - len(digest) - 1]}~{digest}"
