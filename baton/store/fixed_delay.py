"""Fixed delays: a job whose run is under way learns its next time from the end of that run.

Meanwhile its next time is `AWAITING_END_MS`, which no planner ever reaches. Whoever ends a row says
so in the same transaction (`run_ended`). Runs that end in another way, refused by the pusher or
deleted by a person, are found by the planner, which looks at all that wait (`resume_awaiting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.orm import aliased

from ..schedule import AWAITING_END_MS, next_fire, why_over
from .bulk import among, update_many
from .jobs import StoredSchedule, stop_job, stored
from .models import FOLLOWED, UNFINISHED, Job, JobLog

_JOB = Job.__table__


@dataclass(frozen=True, slots=True)
class _AwaitingJob(StoredSchedule):
    """A job whose next time is told by the end of its run."""

    id: int
    schedule_type: str
    schedule_conf: str
    time_zone: str
    dst_gap: str
    dst_fold: str
    start_at: int
    end_at: int
    calendar_rules: str


_IS_AWAITING = and_(text(FOLLOWED), Job.next_trigger_time == AWAITING_END_MS)
_AWAITING = stored(_AwaitingJob).where(_IS_AWAITING).order_by(Job.id)
_AWAITING_AMONG = _AWAITING.where(among(Job.id)).with_for_update(of=Job)
_AWAITING_PAGE = (
    _AWAITING.where(Job.id > bindparam("after_id"))
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, of=Job)
)
_first = aliased(JobLog)
_LAST_FIRED = (
    select(_first.id)
    .where(
        _first.job_id == Job.id,
        _first.trigger_key.in_(
            [literal(kind, String) + cast(Job.last_trigger_time, String) for kind in ("cron:", "misfire:")]
        ),
        _first.shard_index == 0,
    )
    .order_by(_first.id.desc())
    .limit(1)
    .scalar_subquery()
)
# from the row of the last fire time on: its shards and its retries came later, history came before
_UNDER_WAY = select(Job.id).where(
    among(Job.id),
    exists().where(
        JobLog.job_id == Job.id, text(f"job_log.{UNFINISHED}"), JobLog.id >= func.coalesce(_LAST_FIRED, 0)
    ),
)
_RESUME = update_many(
    _JOB,
    ("id", "next_trigger_time"),
    assign="next_trigger_time = :next_trigger_time",
    where=f"id = :id and {FOLLOWED} and job.next_trigger_time = {AWAITING_END_MS}",
)


def run_ended(connection: Connection, job_ids: Iterable[int], now_ms: int) -> int:
    """Some runs of these jobs ended now: plan the next of a fixed delay; answers for how many jobs.

    Jobs of which a run is still under way, a retry or another shard, go on waiting.
    """
    ids = list(job_ids)
    if not ids:
        return 0
    found = connection.execute(_AWAITING_AMONG, {"ids": ids})
    return _resume(connection, [_AwaitingJob(*row) for row in found], now_ms)


def any_awaiting(connection: Connection) -> bool:
    """Whether any job waits for the end of a run to learn its next time."""
    return connection.execute(select(exists().where(_IS_AWAITING))).scalar_one()


def resume_awaiting(connection: Connection, now_ms: int, *, after_id: int, limit: int) -> tuple[int, int]:
    """As `run_ended` for all jobs, a page at a time: a run may end unseen, refused or deleted.

    Answers for how many jobs a time was planned, and the last id looked at, or 0 at the end.
    """
    found = connection.execute(_AWAITING_PAGE, {"after_id": after_id, "limit": limit})
    awaiting = [_AwaitingJob(*row) for row in found]
    last_id = awaiting[-1].id if len(awaiting) == limit else 0
    return _resume(connection, awaiting, now_ms), last_id


def awaiting_nothing(connection: Connection, group_id: int, limit: int) -> dict[int, int]:
    """Of the first jobs of a group that wait for the end of a run those without one: id -> last fire time."""
    some = select(Job.id, Job.last_trigger_time).where(_IS_AWAITING, Job.group_id == group_id)
    rows = connection.execute(some.order_by(Job.id).limit(limit))
    found = {row.id: row.last_trigger_time for row in rows}
    under_way = set(connection.execute(_UNDER_WAY, {"ids": list(found)}).scalars()) if found else set()
    return {job_id: fired_ms for job_id, fired_ms in found.items() if job_id not in under_way}


def _resume(connection: Connection, awaiting: Sequence[_AwaitingJob], now_ms: int) -> int:
    if not awaiting:
        return 0
    # asked after the jobs were locked: another consumer may just have ended the other shards
    under_way = set(connection.execute(_UNDER_WAY, {"ids": [job.id for job in awaiting]}).scalars())
    moves: list[tuple[int, int]] = []
    for job in awaiting:
        if job.id not in under_way:
            next_ms = next_fire(job.schedule, now_ms)
            if next_ms is None:
                stop_job(connection, job.id, AWAITING_END_MS, why_over(job.schedule))
            else:
                moves.append((job.id, next_ms))
    _RESUME.execute(connection, moves)
    return len(moves)
