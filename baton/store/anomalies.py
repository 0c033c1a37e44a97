"""Rows that cannot be as they are, or wait for somebody who does not come. Asked by the invariant scanner.

Each question looks at a bounded number of rows of one group: the oldest that have not ended, among which
everything that is stuck ends up, or the newest. Answers are for a program that asks twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, or_, select, text
from sqlalchemy.orm import aliased

from ..schedule import AWAITING_END_MS
from ..vocabulary import HandleCode, Outcome, TriggerCode, TriggerType
from .bulk import among
from .models import FOLLOWED, PENDING, UNDELIVERED, UNFINISHED, UNROUTED, Alarm, AlarmDelivery, Job, JobLog

LOOKED_AT = 2_000
MOST = 100
"""Answers to one question: who has a hundred needs no more to see what is wrong."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A row and what is odd about it."""

    id: int
    job_id: int
    said: str
    """What would be another one if the row had moved on."""


_parent = aliased(JobLog)
_OLDEST = (
    select(JobLog.id)
    .where(text(UNFINISHED), JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id)
    .limit(LOOKED_AT)
    .subquery()
)
_NEWEST = (
    select(JobLog.id)
    .where(JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id.desc())
    .limit(LOOKED_AT)
    .subquery()
)
_IS_FOLLOW_UP = JobLog.trigger_type.in_([TriggerType.RETRY.value, TriggerType.PARENT.value])
_QUEUED = JobLog.trigger_code == TriggerCode.QUEUED.value


def _question(of: Any, said: Any, order: Any) -> Select[Any]:
    return select(*of, said).order_by(order).limit(MOST)


_RUN = (JobLog.id, JobLog.job_id)
_NOT_PUSHED = _question(_RUN, JobLog.attempt, JobLog.id).where(
    text(PENDING),
    JobLog.group_id == bindparam("group_id"),
    JobLog.not_before <= bindparam("before_ms"),
    JobLog.trigger_time <= bindparam("before_ms"),
)
_HALF_PUSHED = _question(_RUN, JobLog.trigger_code, JobLog.id).where(
    JobLog.id.in_(select(_OLDEST.c.id)), (JobLog.pushed_at > 0) != _QUEUED
)
_WITHOUT_PARENT = _question(_RUN, JobLog.trigger_type, JobLog.id).where(
    JobLog.id.in_(select(_OLDEST.c.id)), _IS_FOLLOW_UP, JobLog.parent_log_id.is_(None)
)
_BEFORE_PARENT = (
    _question(_RUN, JobLog.parent_log_id, JobLog.id)
    .join(_parent, _parent.id == JobLog.parent_log_id)
    .where(JobLog.id.in_(select(_OLDEST.c.id)), _IS_FOLLOW_UP, _parent.outcome.is_(None))
)
_CONTRADICTORY = _question(_RUN, JobLog.outcome, JobLog.id).where(
    JobLog.id.in_(select(_NEWEST.c.id)),
    or_(
        JobLog.outcome.not_in([outcome.value for outcome in Outcome]),
        (JobLog.outcome == Outcome.SUCCEEDED.value) != (JobLog.handle_code == HandleCode.SUCCESS.value),
    ),
)
_OVERDUE = _question((Job.id, Job.id), Job.next_trigger_time, Job.next_trigger_time).where(
    text(FOLLOWED), Job.group_id == bindparam("group_id"), Job.next_trigger_time <= bindparam("before_ms")
)
_AWAITS_NOTHING = _question((Job.id, Job.id), Job.last_trigger_time, Job.id).where(
    text(FOLLOWED),
    Job.group_id == bindparam("group_id"),
    Job.next_trigger_time == AWAITING_END_MS,
    ~exists().where(JobLog.job_id == Job.id, text(f"job_log.{UNFINISHED}")),
)
_NOT_ROUTED = _question((Alarm.id, Alarm.job_id), Alarm.condition, Alarm.id).where(
    text(UNROUTED), Alarm.group_id == bindparam("group_id"), Alarm.created_at <= bindparam("before_ms")
)
_NOT_SENT = (
    _question((AlarmDelivery.id, Alarm.job_id), AlarmDelivery.tries, AlarmDelivery.id)
    .join(Alarm, Alarm.id == AlarmDelivery.alarm_id)
    .where(
        text(UNDELIVERED),
        Alarm.group_id == bindparam("group_id"),
        AlarmDelivery.not_before <= bindparam("before_ms"),
        AlarmDelivery.changed_at <= bindparam("before_ms"),
    )
)


def not_pushed(connection: Connection, group_id: int, before_ms: int) -> list[Odd]:
    """Runs that might have been pushed at `before_ms`, and are not."""
    return _answers(connection, _NOT_PUSHED, group_id, before_ms)


def half_pushed(connection: Connection, group_id: int) -> list[Odd]:
    """Runs that are queued without a time of their push, or pending with one."""
    return _answers(connection, _HALF_PUSHED, group_id)


def without_parent(connection: Connection, group_id: int) -> list[Odd]:
    """Retries and children that do not say what they follow."""
    return _answers(connection, _WITHOUT_PARENT, group_id)


def before_parent(connection: Connection, group_id: int) -> list[Odd]:
    """Retries and children of runs that have not ended."""
    return _answers(connection, _BEFORE_PARENT, group_id)


def contradictory(connection: Connection, group_id: int) -> list[Odd]:
    """Of the newest runs those whose outcome is no word of ours, or contradicts their handle code."""
    return _answers(connection, _CONTRADICTORY, group_id)


def overdue_jobs(connection: Connection, group_id: int, before_ms: int) -> list[Odd]:
    """Jobs whose next time has passed, and nobody has planned it."""
    return _answers(connection, _OVERDUE, group_id, before_ms)


def awaiting_nothing(connection: Connection, group_id: int) -> list[Odd]:
    """Jobs that wait for the end of a run which is not there."""
    return _answers(connection, _AWAITS_NOTHING, group_id)


def not_routed(connection: Connection, group_id: int, before_ms: int) -> list[Odd]:
    """Alarms that nobody has given to channels."""
    return _answers(connection, _NOT_ROUTED, group_id, before_ms)


def not_sent(connection: Connection, group_id: int, before_ms: int) -> list[Odd]:
    """Deliveries that were due at `before_ms`, and nobody has tried since."""
    return _answers(connection, _NOT_SENT, group_id, before_ms)


def existing_jobs(connection: Connection, job_ids: set[int]) -> set[int]:
    """Which of these jobs there are."""
    return set(connection.execute(select(Job.id).where(among(Job.id)), {"ids": job_ids}).scalars())


def _answers(connection: Connection, question: Select[Any], group_id: int, before_ms: int = 0) -> list[Odd]:
    wanted = {"group_id": group_id, "before_ms": before_ms}
    return [Odd(row[0], row[1], str(row[2])) for row in connection.execute(question, wanted)]
