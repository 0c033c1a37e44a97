"""Which runs nobody keeps any more, and their deletion.

Only what has ended is ever deleted, and while its job exists nothing that ended within the last hour, because
its result may come a second time. Rows are looked at in pages along an index, outside of any transaction that
writes. Whether one may really go is asked where it is deleted: alarms still have to name it, reports to count
it, and the children of a broadcast wait for all of its shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    cast,
    delete,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import aliased

from ..vocabulary import Outcome
from .bulk import among
from .models import UNDELIVERED, UNROUTED, Alarm, AlarmDelivery, AuditEvent, ExecutorGroup, JobLog
from .reports import IS_COUNTED

SETTLED_AFTER_MS = 3600 * 1000
"""So long after its end a run is nobody's concern any more."""
_DAY_MS = 24 * 3600 * 1000
_NO_TIME_MS = 2**62
"""After all that ever happens."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long runs are kept; 0 in any of them: that is no reason to delete one."""

    days: int
    failed_days: int
    """Those that did not succeed; 0: as all the others."""
    runs: int
    """The newest so many of a group, whatever became of them."""


FOR_EVER = Keep(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Spent:
    """Which runs go. Of one group or of one job, or of all."""

    now_ms: int
    ended_before_ms: int = 0
    """Those that were triggered and ended before this moment; 0: none for its age."""
    failed_before_ms: int = 0
    """The same for those that did not succeed."""
    newest: int = 0
    """All but so many; 0: none for its place."""
    group_id: int | None = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in the order of their ids."""

    spent: Sequence[int]
    """Those that go."""
    last_id: int
    """The last one that was looked at."""
    is_last: bool
    """Nothing that goes comes after it."""


def spent_by(keep: Keep, group_id: int, now_ms: int) -> Spent:
    """What a rule deletes now."""
    failed_days = keep.failed_days or keep.days
    return Spent(
        now_ms,
        ended_before_ms=now_ms - keep.days * _DAY_MS if keep.days else 0,
        failed_before_ms=now_ms - failed_days * _DAY_MS if failed_days else 0,
        newest=keep.runs,
        group_id=group_id,
    )


def of_deleted_job(job_id: int) -> Spent:
    """All its runs that have ended, however lately; a result that comes once more is a failed callback."""
    return Spent(_NO_TIME_MS, ended_before_ms=_NO_TIME_MS, failed_before_ms=_NO_TIME_MS, job_id=job_id)


def rules(connection: Connection, usual: Keep) -> dict[int, Keep]:
    """The rule of each group; what it does not say itself is as usual."""
    columns = (
        ExecutorGroup.id,
        ExecutorGroup.keep_days,
        ExecutorGroup.keep_failed_days,
        ExecutorGroup.keep_runs,
    )
    return {
        group_id: Keep(
            usual.days if days is None else days,
            usual.failed_days if failed_days is None else failed_days,
            usual.runs if runs is None else runs,
        )
        for group_id, days, failed_days, runs in connection.execute(select(*columns).order_by(columns[0]))
    }


def floor(connection: Connection, spent: Spent) -> int:
    """Runs with an id below this are not among the newest."""
    if not spent.newest:
        return 0
    ids = select(JobLog.id).where(*_owner(spent)).order_by(JobLog.id.desc())
    return connection.execute(ids.limit(1).offset(spent.newest - 1)).scalar() or 0


def look(connection: Connection, spent: Spent, floor_id: int, after_id: int, limit: int) -> Page:
    """The next rows, and which of them go."""
    columns = (JobLog.id, JobLog.trigger_time, _goes(spent, floor_id).label("goes"))
    page = select(*columns).where(*_owner(spent), JobLog.id > after_id).order_by(JobLog.id).limit(limit)
    rows = connection.execute(page).all()
    if not rows:
        return Page((), after_id, is_last=True)
    last = rows[-1]
    # ids grow with time: beyond a row that is too young for its age and its place, all are
    is_beyond = last.id >= floor_id and last.trigger_time >= max(
        spent.ended_before_ms, spent.failed_before_ms
    )
    spent_ids = [row.id for row in rows if row.goes]
    return Page(spent_ids, last.id, is_last=len(rows) < limit or is_beyond)


def count(connection: Connection, spent: Spent, floor_id: int, limit: int) -> int:
    """How many go, counted up to `limit`."""
    found = select(JobLog.id).where(*_owner(spent), _goes(spent, floor_id)).limit(limit).subquery()
    return connection.execute(select(func.count()).select_from(found)).scalar_one()


def delete_runs(connection: Connection, log_ids: Sequence[int]) -> int:
    """Delete these, but none that somebody still needs; answers how many."""
    return connection.execute(_DELETE, {"ids": log_ids}).rowcount


def delete_audit(connection: Connection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` of the oldest audit events before a moment; answers how many."""
    oldest = select(AuditEvent.id, AuditEvent.at).order_by(AuditEvent.id).limit(limit)
    old = [row.id for row in connection.execute(oldest) if row.at < before_ms]
    if old:
        connection.execute(delete(AuditEvent).where(among(AuditEvent.id)), {"ids": old})
    return len(old)


def _owner(spent: Spent) -> list[ColumnElement[bool]]:
    owner = []
    if spent.group_id is not None:
        owner.append(JobLog.group_id == spent.group_id)
    if spent.job_id is not None:
        owner.append(JobLog.job_id == spent.job_id)
    return owner


def _goes(spent: Spent, floor_id: int) -> ColumnElement[bool]:
    has_succeeded = JobLog.outcome == Outcome.SUCCEEDED.value
    reasons = [
        JobLog.id < floor_id,
        and_(has_succeeded, _is_older(spent.ended_before_ms)),
        and_(not_(has_succeeded), _is_older(spent.failed_before_ms)),
    ]
    return and_(IS_COUNTED, _is_older(spent.now_ms - SETTLED_AFTER_MS), or_(*reasons))


def _is_older(moment_ms: int) -> ColumnElement[bool]:
    """A refused run has no end but the moment in which it was refused."""
    if not moment_ms:
        return false()
    times = (JobLog.trigger_time, JobLog.handle_time, JobLog.pushed_at)
    return and_(*(each < moment_ms for each in times))


def _has_to_be_told() -> ColumnElement[bool]:
    waits = exists().where(AlarmDelivery.alarm_id == Alarm.id, text(UNDELIVERED))
    return exists().where(Alarm.log_id == JobLog.id, or_(text(UNROUTED), waits))


def _is_of_open_broadcast() -> ColumnElement[bool]:
    """A shard has not ended, or was retried: who looks for the end of a broadcast walks from try to try.

    A retry is younger and goes first, so the shard itself goes with the next page or the next period.
    """
    shard, retry = aliased(JobLog), aliased(JobLog)
    retried = exists().where(
        retry.job_id == shard.job_id, retry.trigger_key == literal("retry:") + cast(shard.id, String)
    )
    open_shard = exists().where(
        shard.job_id == JobLog.job_id,
        shard.trigger_key == JobLog.trigger_key,
        or_(shard.outcome.is_(None), retried),
    )
    return and_(JobLog.shard_total > 1, open_shard)


_DELETE = delete(JobLog).where(
    among(JobLog.id), IS_COUNTED, not_(_has_to_be_told()), not_(_is_of_open_broadcast())
)
