"""Results that cannot be applied: kept with their reason until a person decides.

A replay puts one into its stream again, with a note which one it is, and leaves it kept. Whoever
applies the entry forgets it in the same transaction, or counts one more try: a crash anywhere
between costs nothing but a second replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from baton import telemetry
from baton.broker.results import ResultEntry, Results
from baton.store import failed_callbacks
from baton.store.engine import read, write

_PAGE_ROWS = 200


@dataclass(frozen=True, slots=True)
class Rejected:
    """A result that cannot be applied, now or on a second try."""

    app_name: str
    entry_id: str
    field: str
    log_id: int | None
    payload: bytes
    reason: str
    replay_of: int = 0
    """The kept result that its entry says it replays."""


def keep(connection: Connection, rejects: Sequence[Rejected], now_ms: int) -> None:
    """Put results aside, in the transaction that applies their neighbours. Repeating it counts a try."""
    for each in rejects:
        if not _is_known(connection, each, now_ms):
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
        telemetry.warning(
            "apply.failed_callback",
            group=each.app_name,
            field=each.field,
            log_id=each.log_id,
            reason=each.reason,
        )


def _is_known(connection: Connection, each: Rejected, now_ms: int) -> bool:
    return each.replay_of > 0 and failed_callbacks.fail_again(
        connection,
        each.replay_of,
        app_name=each.app_name,
        field=each.field,
        payload=each.payload,
        reason=each.reason,
        now_ms=now_ms,
    )


def forget_applied(
    connection: Connection, entries: Sequence[ResultEntry], rejects: Sequence[Rejected]
) -> None:
    """Replayed results that were not put aside again are kept no longer."""
    refused = {(each.app_name, each.entry_id, each.field) for each in rejects}
    for entry in entries:
        for item in entry.items if entry.replay_of else ():
            if (entry.app_name, entry.entry_id, item.field) not in refused:
                failed_callbacks.applied(
                    connection,
                    entry.replay_of,
                    app_name=entry.app_name,
                    field=item.field,
                    payload=item.payload,
                )


def replay(engine: Engine, results: Results, failed_callback_id: int, now_ms: int) -> bool:
    """Put one kept result into its stream again; False if it is not kept (any more)."""
    with read(engine) as connection:
        kept = failed_callbacks.get(connection, failed_callback_id)
    if kept is None:
        return False
    _replay(engine, results, [kept], now_ms)
    return True


def replay_all(engine: Engine, results: Results, now_ms: int, app_name: str = "") -> int:
    """Replay all that wait for a decision, of one group or of all; answers how many there were."""
    with read(engine) as connection:
        until_id = failed_callbacks.newest_id(connection)  # what comes back meanwhile is not replayed again
    replayed, after_id = 0, 0
    while True:
        with read(engine) as connection:
            page = failed_callbacks.waiting_after(connection, after_id, until_id, _PAGE_ROWS, app_name)
        if not page:
            return replayed
        _replay(engine, results, page, now_ms)
        replayed, after_id = replayed + len(page), page[-1].id


def _replay(
    engine: Engine, results: Results, page: Sequence[failed_callbacks.FailedCallbackView], now_ms: int
) -> None:
    for kept in page:
        results.append(kept.app_name, {kept.field: kept.payload}, replay_of=kept.id)
    with write(engine) as connection:
        failed_callbacks.mark_replayed(connection, [kept.id for kept in page], now_ms)
