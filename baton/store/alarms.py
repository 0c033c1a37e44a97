"""What people should be told. The key says what: the same thing is one row, whoever notices it.

failed:<log id>           that run failed and has no retry left
late:<log id>             that run began too late
recovered:<alarm id>      what that alarm was about is well again
lost:<executor id>        that executor stopped beating
no-executor:<group>:<ms>  runs wait there since then, and nobody listens
kept:<group>:<id>         results that could not be applied wait, this is the oldest
finding:<finding>:<ms>    broken invariants of that kind are seen since then, this is the first
spool:<executor id>:<h>   the spool of that executor was full, or nearly, in that hour
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Select, delete, false, func, select, update
from sqlalchemy import text as sql

from ..vocabulary import AlarmCondition, AlarmStatus, Outcome
from .bulk import insert_many
from .models import OPEN_ALARM, UNROUTED, Alarm, ExecutorGroup, Job, JobLog

_TABLE = Alarm.__table__
_INSERT = insert_many(
    Alarm.__table__,
    ("alarm_key", "condition", "group_id", "job_id", "log_id", "text", "created_at", "is_open"),
)
_OPENS = frozenset([AlarmCondition.FAILED, AlarmCondition.NO_EXECUTOR])
"""What a later moment may find well again."""


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """Something to tell, and what tells it from everything else."""

    alarm_key: str
    condition: AlarmCondition
    group_id: int
    job_id: int = 0
    log_id: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm with the names that people know."""

    id: int
    condition: str
    group_id: int
    job_id: int
    log_id: int | None
    text: str
    created_at: int
    is_open: bool
    is_routed: bool
    """It was given to the channels that want it."""
    app_name: str | None
    job_name: str | None
    chosen_channels: str
    """The ids of the channels that its job chose."""
    only_chosen: bool


_ALL: Select[Any] = (
    select(
        *(_TABLE.c[field.name] for field in fields(AlarmView) if field.name in _TABLE.c),
        ExecutorGroup.app_name,
        Job.name.label("job_name"),
        func.coalesce(Job.alarm_channel_ids, ""),
        func.coalesce(Job.alarms_only_chosen, false()),
    )
    .select_from(Alarm)
    .outerjoin(ExecutorGroup, ExecutorGroup.id == Alarm.group_id)
    .outerjoin(Job, Job.id == Alarm.job_id)
)


def raise_alarms(connection: Connection, alarms: Sequence[NewAlarm], now_ms: int) -> int:
    """Write them down, in the transaction of what they are about; answers how many were new."""
    rows = [
        (
            each.alarm_key, str(each.condition), each.group_id, each.job_id, each.log_id, each.text, now_ms,
            each.condition in _OPENS,
        )
        for each in alarms
    ]  # fmt: skip
    return _INSERT.execute(connection, rows)


def raise_refused(connection: Connection, log_ids: Collection[int], now_ms: int) -> int:
    """These rows were refused, which is an end without a result: write down that their jobs failed."""
    columns = (JobLog.id, JobLog.job_id, JobLog.group_id)
    # a run of a deleted job is nobody's failure
    refused = select(*columns).join(Job, Job.id == JobLog.job_id).where(JobLog.id.in_(log_ids))
    rows = connection.execute(refused.where(JobLog.outcome == Outcome.REFUSED.value))
    failed = [
        NewAlarm(f"failed:{log_id}", AlarmCondition.FAILED, group_id, job_id, log_id)
        for log_id, job_id, group_id in rows
    ]
    return raise_alarms(connection, failed, now_ms)


def recover(connection: Connection, job_ids: Collection[int], now_ms: int) -> int:
    """These jobs have succeeded: what was open about them is well again; answers how many were told of."""
    if not job_ids:
        return 0
    still = select(Alarm.id, Alarm.group_id, Alarm.job_id).where(sql(OPEN_ALARM), Alarm.job_id.in_(job_ids))
    # in one order, and locked: two callbacks processes must not both tell of it, nor wait for each other
    found = connection.execute(still.order_by(Alarm.id).with_for_update()).all()
    return _close(connection, [(row.id, row.group_id, row.job_id) for row in found], now_ms)


def recover_group(connection: Connection, group_id: int, now_ms: int) -> int:
    """Somebody listens in this group again."""
    still = select(Alarm.id, Alarm.group_id).where(
        sql(OPEN_ALARM), Alarm.job_id == 0, Alarm.group_id == group_id
    )
    found = connection.execute(still.order_by(Alarm.id).with_for_update()).all()
    return _close(connection, [(row.id, row.group_id, 0) for row in found], now_ms)


def _close(connection: Connection, found: Sequence[tuple[int, int, int]], now_ms: int) -> int:
    if not found:
        return 0
    connection.execute(update(Alarm).where(Alarm.id.in_([each[0] for each in found])).values(is_open=False))
    # one word for a job, however often it had failed
    newest = {(group_id, job_id): alarm_id for alarm_id, group_id, job_id in found}
    news = [
        NewAlarm(f"recovered:{alarm_id}", AlarmCondition.RECOVERED, group_id, job_id)
        for (group_id, job_id), alarm_id in newest.items()
    ]
    return raise_alarms(connection, news, now_ms)


def has_open(connection: Connection, group_id: int) -> bool:
    """Whether nobody listening in this group is known already."""
    still = select(Alarm.id).where(sql(OPEN_ALARM), Alarm.job_id == 0, Alarm.group_id == group_id)
    return connection.execute(still.limit(1)).first() is not None


def unrouted(connection: Connection, limit: int) -> list[AlarmView]:
    """Those that were not given to channels yet, the oldest first."""
    rows = connection.execute(_ALL.where(sql(UNROUTED)).order_by(Alarm.id).limit(limit))
    return [AlarmView(*row) for row in rows]


def routed(connection: Connection, alarm_ids: Collection[int]) -> None:
    """Their deliveries stand."""
    connection.execute(update(Alarm).where(Alarm.id.in_(alarm_ids)).values(is_routed=True))


def get(connection: Connection, alarm_id: int) -> AlarmView | None:
    """One alarm, or None."""
    row = connection.execute(_ALL.where(Alarm.id == alarm_id)).one_or_none()
    return AlarmView(*row) if row else None


def of_run(connection: Connection, log_id: int) -> list[AlarmView]:
    """The alarms of one run, in their order."""
    return [
        AlarmView(*row) for row in connection.execute(_ALL.where(Alarm.log_id == log_id).order_by(Alarm.id))
    ]


def is_job_open(connection: Connection, job_id: int) -> bool:
    """Whether this job failed and has not succeeded since."""
    still = select(Alarm.id).where(sql(OPEN_ALARM), Alarm.job_id == job_id).limit(1)
    return connection.execute(still).first() is not None


def list_page(connection: Connection, before_id: int | None = None, limit: int = 50) -> list[AlarmView]:
    """The newest, older than `before_id`."""
    statement = _ALL.order_by(Alarm.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(Alarm.id < before_id)
    return [AlarmView(*row) for row in connection.execute(statement)]


def forget(connection: Connection, before_ms: int, limit: int) -> bool:
    """Delete the oldest that were written down before `before_ms`; True if there may be more.

    Ids grow with time: whoever looks at the first of them has looked at the oldest.
    """
    oldest = connection.execute(select(Alarm.id, Alarm.created_at).order_by(Alarm.id).limit(limit)).all()
    found = [row.id for row in oldest if row.created_at < before_ms]
    if found:
        connection.execute(delete(Alarm).where(Alarm.id.in_(found)))
    return len(found) == limit


def mark_run(connection: Connection, log_id: int, status: AlarmStatus) -> None:
    """What became of the alarm of a run: XXL-JOB's column."""
    connection.execute(update(JobLog).where(JobLog.id == log_id).values(alarm_status=int(status)))
