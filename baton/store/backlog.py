"""How many runs have not ended, and since when they might have begun.

Asked every few seconds by whoever watches the installation, so nothing here reads more than
`COUNTED_MOST` rows of a group, along the partial index of unfinished rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, select, text

from ..vocabulary import TriggerCode
from .models import UNFINISHED, JobLog

COUNTED_MOST = 100_000
"""A longer backlog counts as so many runs."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The runs of a group that have not ended."""

    pending: int
    """Not pushed yet: their time has not come, or a scheduler is behind."""
    queued: int
    """Pushed: they wait in a lane, or run."""


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run that was pushed, and when that might have been done."""

    log_id: int
    due_ms: int


_COUNTED = (
    select(JobLog.trigger_code)
    .where(text(UNFINISHED), JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id)
    .limit(COUNTED_MOST)
    .subquery()
)
_BY_CODE = select(_COUNTED.c.trigger_code, func.count().label("runs")).group_by(_COUNTED.c.trigger_code)
_OLDEST_QUEUED = (
    select(
        JobLog.id,
        case((JobLog.not_before > JobLog.trigger_time, JobLog.not_before), else_=JobLog.trigger_time),
    )
    .where(
        text(UNFINISHED),
        JobLog.group_id == bindparam("group_id"),
        JobLog.trigger_code == TriggerCode.QUEUED.value,
    )
    .order_by(JobLog.id)
    .limit(bindparam("limit"))
)


def of_group(connection: Connection, group_id: int) -> Backlog:
    """Count the runs of one group."""
    counts = {row.trigger_code: row.runs for row in connection.execute(_BY_CODE, {"group_id": group_id})}
    return Backlog(counts.get(TriggerCode.PENDING, 0), counts.get(TriggerCode.QUEUED, 0))


def oldest_queued(connection: Connection, group_id: int, limit: int) -> list[QueuedRun]:
    """The oldest pushed runs of one group that have not ended, begun or not."""
    found = connection.execute(_OLDEST_QUEUED, {"group_id": group_id, "limit": limit})
    return [QueuedRun(*row) for row in found]
