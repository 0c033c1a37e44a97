"""Results that cannot be applied: kept with their reason until a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from baton import telemetry
from baton.broker.results import Results
from baton.store import failed_callbacks
from baton.store.engine import read, write


@dataclass(frozen=True, slots=True)
class Rejected:
    """A result that cannot be applied, now or on a second try."""

    app_name: str
    entry_id: str
    field: str
    log_id: int | None
    payload: bytes
    reason: str


def keep(connection: Connection, rejects: Sequence[Rejected], now_ms: int) -> None:
    """Put results aside, in the transaction that applies their neighbours. Repeating it counts a try."""
    for each in rejects:
        failed_callbacks.keep(
            connection,
            app_name=each.app_name,
            entry_id=each.entry_id,
            field=each.field,
            log_id=each.log_id,
            reason=each.reason,
            payload=each.payload,
            now_ms=now_ms,
        )
        telemetry.warning("apply.failed_callback", group=each.app_name, field=each.field, reason=each.reason)


def replay(engine: Engine, results: Results, failed_callback_id: int) -> bool:
    """Put one kept result into its stream again; False if it is not kept (any more).

    Appended first, deleted after: a crash between the two applies it twice, and the second time
    changes nothing.
    """
    with read(engine) as connection:
        kept = failed_callbacks.get(connection, failed_callback_id)
    if kept is None:
        return False
    results.append(kept.app_name, {kept.field: kept.payload})
    with write(engine) as connection:
        failed_callbacks.delete(connection, failed_callback_id)
    return True
