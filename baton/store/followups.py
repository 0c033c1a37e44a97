"""What jobs say about what follows their runs: pauses before retries, and child jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

from sqlalchemy import Connection, func, literal, or_, select
from sqlalchemy.orm import aliased

from ..children import read_ids
from ..vocabulary import Outcome, TriggerType
from .bulk import among
from .models import Job, JobLog

_JOB = Job.__table__


@dataclass(frozen=True, slots=True)
class FollowUps:
    """What follows the runs of one job."""

    retry_delay_s: int = 0
    retry_backoff: str = "FIXED"
    retry_delay_max_s: int = 3600
    child_job_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildJob:
    """All that a trigger of a child job needs."""

    id: int
    group_id: int
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str
    start_deadline_s: int


_SAID = select(Job.id, Job.retry_delay_s, Job.retry_backoff, Job.retry_delay_max_s, Job.child_job_ids).where(
    among(Job.id), or_(Job.retry_delay_s > 0, Job.child_job_ids != "")
)
_CHILDREN = select(*(_JOB.c[field.name] for field in fields(ChildJob))).where(among(Job.id))
_EDGES = select(Job.id, Job.child_job_ids).where(Job.child_job_ids != "")


def of_jobs(connection: Connection, job_ids: Collection[int]) -> dict[int, FollowUps]:
    """What these jobs say; one that says nothing special is left out."""
    if not job_ids:
        return {}
    return {
        job_id: FollowUps(delay_s, backoff, longest_s, read_ids(children))
        for job_id, delay_s, backoff, longest_s, children in connection.execute(_SAID, {"ids": job_ids})
    }


def children(connection: Connection, job_ids: Collection[int]) -> dict[int, ChildJob]:
    """These jobs; one that was deleted is left out."""
    if not job_ids:
        return {}
    return {row.id: ChildJob(*row) for row in connection.execute(_CHILDREN, {"ids": job_ids})}


def children_of(connection: Connection) -> dict[int, tuple[int, ...]]:
    """The children of every job that has some."""
    return {job_id: read_ids(text) for job_id, text in connection.execute(_EDGES)}


def unknown(connection: Connection, job_ids: Iterable[int]) -> list[int]:
    """Which of these jobs are not there."""
    wanted = list(job_ids)
    return [job_id for job_id in wanted if job_id not in children(connection, wanted)]


def finished_broadcast(connection: Connection, log_id: int) -> int | None:
    """The log id of the first shard, if with this row every shard of its broadcast has succeeded.

    A shard has succeeded if it did itself, or a retry of it. Whoever asks holds the first shard's row
    from then on: of two shards that end at the same moment, the second one sees the first.
    """
    root = _first_shard(connection, log_id)
    if root is None:
        return None
    connection.execute(select(JobLog.id).where(JobLog.id == root).with_for_update())
    first = aliased(JobLog)
    tries = (
        select(JobLog.id, JobLog.job_id, JobLog.shard_index, JobLog.outcome)
        .join(first, (first.job_id == JobLog.job_id) & (first.trigger_key == JobLog.trigger_key))
        .where(first.id == root)
        .cte("tries", recursive=True)
    )
    retry = aliased(JobLog)
    tries = tries.union_all(
        select(retry.id, retry.job_id, retry.shard_index, retry.outcome).join(
            tries,
            (retry.job_id == tries.c.job_id)
            & (retry.trigger_key == literal("retry:") + func.cast(tries.c.id, JobLog.trigger_key.type))
            & (retry.shard_index == tries.c.shard_index),
        )
    )
    succeeded = select(func.count(func.distinct(tries.c.shard_index))).where(
        tries.c.outcome == Outcome.SUCCEEDED
    )
    total = select(JobLog.shard_total).where(JobLog.id == root)
    if connection.execute(succeeded).scalar_one() < connection.execute(total).scalar_one():
        return None
    return root


def _first_shard(connection: Connection, log_id: int) -> int | None:
    columns = (JobLog.job_id, JobLog.trigger_key, JobLog.trigger_type, JobLog.parent_log_id)
    row = connection.execute(select(*columns).where(JobLog.id == log_id)).one_or_none()
    while row is not None and row.trigger_type == TriggerType.RETRY:
        row = connection.execute(select(*columns).where(JobLog.id == row.parent_log_id)).one_or_none()
    if row is None:
        return None
    first = select(JobLog.id).where(
        JobLog.job_id == row.job_id, JobLog.trigger_key == row.trigger_key, JobLog.shard_index == 0
    )
    return connection.execute(first).scalar_one_or_none()
