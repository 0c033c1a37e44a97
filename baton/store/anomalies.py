"""Rows that cannot be as they are, or wait for somebody who does not come. Asked by the invariant scanner.

Each question looks at a bounded number of rows of one group: the oldest that have not ended, among which
everything that is stuck ends up, or the newest. Answers are for a program that asks twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, or_, select, text

from ..vocabulary import HandleCode, Outcome, TriggerCode, TriggerType
from . import fixed_delay
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


# A page of rows first, then the question: asked together, planners walk through the whole history.
_OLDEST = (
    select(
        JobLog.id,
        JobLog.job_id,
        JobLog.trigger_code,
        JobLog.trigger_type,
        JobLog.pushed_at,
        JobLog.parent_log_id,
    )
    .where(text(UNFINISHED), JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id)
    .limit(LOOKED_AT)
    .subquery()
)
_NEWEST = (
    select(JobLog.id, JobLog.job_id, JobLog.outcome, JobLog.handle_code)
    .where(JobLog.group_id == bindparam("group_id"))
    .order_by(JobLog.id.desc())
    .limit(LOOKED_AT)
    .subquery()
)
_DUE = (
    select(JobLog.id, JobLog.job_id, JobLog.group_id, JobLog.attempt, JobLog.trigger_time)
    .where(text(PENDING), JobLog.not_before <= bindparam("before_ms"))
    .order_by(JobLog.not_before, JobLog.id)
    .limit(LOOKED_AT)
    .subquery()
)
_IS_FOLLOW_UP = _OLDEST.c.trigger_type.in_([TriggerType.RETRY.value, TriggerType.PARENT.value])


def _question(of: Any, said: Any, order: Any) -> Select[Any]:
    return select(*of, said).order_by(order).limit(MOST)


_NOT_PUSHED = _question((_DUE.c.id, _DUE.c.job_id), _DUE.c.attempt, _DUE.c.id).where(
    _DUE.c.group_id == bindparam("group_id"), _DUE.c.trigger_time <= bindparam("before_ms")
)
_OLD = (_OLDEST.c.id, _OLDEST.c.job_id)
_HALF_PUSHED = _question(_OLD, _OLDEST.c.trigger_code, _OLDEST.c.id).where(
    (_OLDEST.c.pushed_at > 0) != (_OLDEST.c.trigger_code == TriggerCode.QUEUED.value)
)
_WITHOUT_PARENT = _question(_OLD, _OLDEST.c.trigger_type, _OLDEST.c.id).where(
    _IS_FOLLOW_UP, _OLDEST.c.parent_log_id.is_(None)
)
_BEFORE_PARENT = (
    _question(_OLD, _OLDEST.c.parent_log_id, _OLDEST.c.id)
    .join(JobLog, JobLog.id == _OLDEST.c.parent_log_id)
    .where(_IS_FOLLOW_UP, JobLog.outcome.is_(None))
)
_IS_SUCCESS = _NEWEST.c.outcome == Outcome.SUCCEEDED.value
_CONTRADICTORY = _question((_NEWEST.c.id, _NEWEST.c.job_id), _NEWEST.c.outcome, _NEWEST.c.id).where(
    or_(
        _NEWEST.c.outcome.not_in([outcome.value for outcome in Outcome]),
        (_NEWEST.c.handle_code == HandleCode.SUCCESS.value) != _IS_SUCCESS,
    ),
)
_OVERDUE = _question((Job.id, Job.id), Job.next_trigger_time, Job.next_trigger_time).where(
    text(FOLLOWED), Job.group_id == bindparam("group_id"), Job.next_trigger_time <= bindparam("before_ms")
)
_NOT_ROUTED = _question((Alarm.id, Alarm.job_id), Alarm.condition, Alarm.id).where(
    text(UNROUTED), Alarm.group_id == bindparam("group_id"), Alarm.created_at <= bindparam("before_ms")
)
_NOT_SENT = (
    _question((AlarmDelivery.id, Alarm.job_id), AlarmDelivery.tries, AlarmDelivery.not_before)
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
    found = fixed_delay.awaiting_nothing(connection, group_id, LOOKED_AT)
    return [Odd(job_id, job_id, str(fired_ms)) for job_id, fired_ms in list(found.items())[:MOST]]


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
