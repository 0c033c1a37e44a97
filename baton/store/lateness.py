"""Runs that begin later than they may.

A run is due at its fire time, or at the moment it was told to wait for (jitter); one of a backfill when it
was asked for. What a job says about lateness counts before what the installation says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, String, bindparam, case, cast, exists, literal, select, text

from ..vocabulary import OnLateness, TriggerType
from .bulk import among
from .models import UNFINISHED, Alarm, Job, JobLog

LOOKED_AT = 2_000
"""Of the runs that have not begun, so many of the oldest are looked at; others are judged when they end."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run, when it should have begun, and how much later it may."""

    log_id: int
    job_id: int
    group_id: int
    due_ms: int
    limit_s: int
    """0: it may begin whenever it likes."""

    def is_late(self, began_ms: int) -> bool:
        """Whether a run that began then began too late."""
        return self.limit_s > 0 and began_ms - self.due_ms > self.limit_s * 1000


DUE_MS = case(
    (JobLog.trigger_type == TriggerType.BACKFILL.value, JobLog.trigger_time),
    (JobLog.not_before > JobLog.fire_at, JobLog.not_before),
    else_=JobLog.fire_at,
)
"""When a run should have begun."""
_LIMIT_S = case(
    (Job.on_lateness == OnLateness.IGNORE.value, 0),
    (Job.late_after_s > 0, Job.late_after_s),
    else_=bindparam("default_s"),
)


def _due() -> Select[Any]:
    # what is tried again has begun before
    columns = (JobLog.id, JobLog.job_id, JobLog.group_id, DUE_MS, _LIMIT_S)
    return select(*columns).outerjoin(Job, Job.id == JobLog.job_id).where(JobLog.attempt == 1)


_OF_ROWS = _due().where(among(JobLog.id))
_OLDEST = (
    select(JobLog.id)
    .where(text(UNFINISHED), JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id)
    .limit(LOOKED_AT)
    .subquery()
)
_OVERDUE = _due().where(
    JobLog.id.in_(select(_OLDEST.c.id)),
    _LIMIT_S > 0,
    bindparam("now_ms") - DUE_MS > _LIMIT_S * 1000,
    ~exists().where(Alarm.alarm_key == literal("late:", String) + cast(JobLog.id, String)),
)


def of_rows(connection: Connection, log_ids: Collection[int], default_s: int) -> list[DueRun]:
    """When these runs should have begun."""
    if not log_ids:
        return []
    found = connection.execute(_OF_ROWS, {"ids": list(log_ids), "default_s": default_s})
    return [DueRun(*row) for row in found]


def overdue(connection: Connection, group_id: int, default_s: int, now_ms: int) -> list[DueRun]:
    """Runs of a group that have not ended, should have begun, and nobody was told of that yet.

    Whether they have begun, only Redis knows.
    """
    wanted = {"group_id": group_id, "default_s": default_s, "now_ms": now_ms}
    return [DueRun(*row) for row in connection.execute(_OVERDUE, wanted)]
