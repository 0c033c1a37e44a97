"""Results that could not be applied, kept with their reason until a person decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, Connection, func, select, update
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
    replayed_at: int
    discarded_at: int
    discarded_by: str
    discard_reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """The results of one group that wait for a decision."""

    app_name: str
    waiting: int
    oldest_ms: int
    """Since when the oldest of them has been kept."""


_ALL = select(*(_TABLE.c[field.name] for field in fields(FailedCallbackView)))
_WAITS = FailedCallback.discarded_at == 0


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


def fail_again(
    connection: Connection,
    failed_callback_id: int,
    *,
    app_name: str,
    field: str,
    payload: bytes,
    reason: str,
    now_ms: int,
) -> bool:
    """A replayed result cannot be applied still; False if this is not the one that was kept."""
    statement = (
        update(FailedCallback)
        .where(*_is(failed_callback_id, app_name, field, payload))
        .values(reason=_storable(reason), last_seen=now_ms, tries=FailedCallback.tries + 1, replayed_at=0)
    )
    return connection.execute(statement).rowcount == 1


def applied(
    connection: Connection, failed_callback_id: int, *, app_name: str, field: str, payload: bytes
) -> bool:
    """A replayed result was applied and is kept no longer; False if this is not the one that was kept.

    Content decides, for what a stream says of itself is not signed.
    """
    statement = delete_from(FailedCallback).where(*_is(failed_callback_id, app_name, field, payload))
    return connection.execute(statement).rowcount == 1


def _is(
    failed_callback_id: int, app_name: str, field: str, payload: bytes
) -> tuple[ColumnElement[bool], ...]:
    return (
        FailedCallback.id == failed_callback_id,
        FailedCallback.app_name == app_name,
        FailedCallback.field == _shortened(_storable(field)),
        FailedCallback.payload == payload,
    )


def list_page(
    connection: Connection,
    before_id: int | None = None,
    limit: int = 50,
    *,
    app_name: str = "",
    is_discarded: bool = False,
) -> list[FailedCallbackView]:
    """The newest ones, older than `before_id`: those that wait for a decision, or those discarded."""
    statement = _ALL.order_by(FailedCallback.id.desc()).limit(limit)
    statement = statement.where(~_WAITS if is_discarded else _WAITS)
    if before_id is not None:
        statement = statement.where(FailedCallback.id < before_id)
    if app_name:
        statement = statement.where(FailedCallback.app_name == app_name)
    return [FailedCallbackView(*row) for row in connection.execute(statement)]


def waiting_after(
    connection: Connection, after_id: int, until_id: int, limit: int, app_name: str = ""
) -> list[FailedCallbackView]:
    """Those that wait for a decision, oldest first: to go through all of them once."""
    statement = _ALL.where(_WAITS, FailedCallback.id > after_id, FailedCallback.id <= until_id)
    if app_name:
        statement = statement.where(FailedCallback.app_name == app_name)
    found = connection.execute(statement.order_by(FailedCallback.id).limit(limit))
    return [FailedCallbackView(*row) for row in found]


def newest_id(connection: Connection) -> int:
    """The id of the newest one; 0 without any."""
    return connection.execute(select(func.coalesce(func.max(FailedCallback.id), 0))).scalar_one()


def count(connection: Connection, *, is_discarded: bool = False) -> int:
    """How many wait for a decision, or were discarded."""
    condition = ~_WAITS if is_discarded else _WAITS
    return connection.execute(select(func.count()).select_from(FailedCallback).where(condition)).scalar_one()


def backlog(connection: Connection) -> list[Backlog]:
    """What waits for a decision, by group; groups without any are left out."""
    statement = (
        select(FailedCallback.app_name, func.count(), func.min(FailedCallback.first_seen))
        .where(_WAITS)
        .group_by(FailedCallback.app_name)
        .order_by(FailedCallback.app_name)
    )
    return [Backlog(*row) for row in connection.execute(statement)]


def get(connection: Connection, failed_callback_id: int) -> FailedCallbackView | None:
    """One of them, or None."""
    row = connection.execute(_ALL.where(FailedCallback.id == failed_callback_id)).one_or_none()
    return FailedCallbackView(*row) if row else None


def mark_replayed(connection: Connection, failed_callback_ids: Sequence[int], now_ms: int) -> None:
    """These stand in their streams again; what is applied already has no row any more."""
    statement = update(FailedCallback).where(FailedCallback.id.in_(failed_callback_ids))
    connection.execute(statement.values(replayed_at=now_ms))


def discard(connection: Connection, failed_callback_id: int, *, by: str, reason: str, now_ms: int) -> bool:
    """Nobody wants this one; False if that was decided before, or it is gone."""
    statement = (
        update(FailedCallback)
        .where(FailedCallback.id == failed_callback_id, _WAITS)
        .values(discarded_at=now_ms, discarded_by=by, discard_reason=reason)
    )
    return connection.execute(statement).rowcount == 1


def delete_discarded(connection: Connection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` that were discarded before `before_ms`; answers how many."""
    old = select(FailedCallback.id).where(
        FailedCallback.discarded_at > 0, FailedCallback.discarded_at < before_ms
    )
    statement = delete_from(FailedCallback).where(FailedCallback.id.in_(old.limit(limit)))
    return connection.execute(statement).rowcount


def _storable(text: str) -> str:
    """Text from outside as every database takes it: no NUL, no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _shortened(field: str) -> str:
    """At most 64 characters, and different fields stay different."""
    if len(field) <= _LONGEST_FIELD:
        return field
    digest = hashlib.sha256(field.encode()).hexdigest()[:16]
    return f"{field[: _LONGEST_FIELD - len(digest) - 1]}~{digest}"
