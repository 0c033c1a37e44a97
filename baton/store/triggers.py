"""The only INSERT into `job_log`: a trigger is a row from the first moment.

The trigger key says what decided that the job runs; with the job and the shard it is unique, and
that alone makes planning, retrying, children and API calls exactly-once:

    cron:<planned ms>      the schedule named this instant
    misfire:<planned ms>   fire times from this instant on were missed, and are made up for once
    manual:<uuid>          a person pressed the button, once per form shown
    api:<key>              a program asked, with an idempotency key of its own
    retry:<log id>         that run failed
    parent:<log id>        that run of the parent job succeeded

A trigger whose key is there already is left out. Whoever plans the same keys in two transactions
at once must hold one lock in both (the job row, or the row that ended), or PostgreSQL may see a
deadlock and have one of them try again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, select

from ..vocabulary import TriggerType
from .bulk import Row, insert_many
from .models import JobLog

_PLAN = insert_many(
    JobLog.__table__,
    (
        "job_id",
        "group_id",
        "trigger_key",
        "trigger_type",
        "fire_at",
        "executor_handler",
        "executor_param",
        "executor_fail_retry_count",
        "executor_timeout",
        "block_strategy",
        "on_lost",
        "attempt",
        "parent_log_id",
        "shard_index",
        "shard_total",
        "not_before",
        "expires_at",
        "is_pinned",
        "executor_address",
        "trigger_time",
    ),
)


@dataclass(frozen=True, slots=True)
class NewTrigger:
    """What a new log row says. The row is a snapshot: a later edit of the job does not change it."""

    job_id: int
    group_id: int
    trigger_key: str
    trigger_type: str
    fire_at_ms: int
    """The planned instant; for a trigger without schedule the moment of the request."""
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str
    attempt: int = 1
    parent_log_id: int | None = None
    shard_index: int = 0
    shard_total: int = 1
    not_before_ms: int = 0
    """It is not pushed earlier."""
    expires_at_ms: int = 0
    """If nobody began it by then it ends as expired; 0: never."""
    executor_address: str = ""
    """The executor that alone may run it; empty: the job's route strategy decides."""


class Triggered(Protocol):
    """A job as far as its rows repeat what it says."""

    @property
    def id(self) -> int: ...
    @property
    def group_id(self) -> int: ...
    @property
    def executor_handler(self) -> str: ...
    @property
    def executor_param(self) -> str: ...
    @property
    def executor_fail_retry_count(self) -> int: ...
    @property
    def executor_timeout(self) -> int: ...
    @property
    def block_strategy(self) -> str: ...
    @property
    def on_lost(self) -> str: ...
    @property
    def start_deadline_s(self) -> int: ...


def of_job(
    job: Triggered,
    trigger_key: str,
    trigger_type: TriggerType,
    now_ms: int,
    *,
    fire_at_ms: int | None = None,
    not_before_ms: int = 0,
    expires_at_ms: int | None = None,
    param: str | None = None,
    parent_log_id: int | None = None,
    executor_id: str = "",
) -> NewTrigger:
    """A trigger of a job. Without more words it is for now, with the job's own parameter and deadline."""
    deadline_ms = now_ms + job.start_deadline_s * 1000 if job.start_deadline_s else 0
    return NewTrigger(
        job_id=job.id,
        group_id=job.group_id,
        trigger_key=trigger_key,
        trigger_type=trigger_type,
        fire_at_ms=now_ms if fire_at_ms is None else fire_at_ms,
        executor_handler=job.executor_handler,
        executor_param=job.executor_param if param is None else param,
        executor_fail_retry_count=job.executor_fail_retry_count,
        executor_timeout=job.executor_timeout,
        block_strategy=job.block_strategy,
        on_lost=job.on_lost,
        parent_log_id=parent_log_id,
        not_before_ms=not_before_ms,
        expires_at_ms=deadline_ms if expires_at_ms is None else expires_at_ms,
        executor_address=executor_id,
    )


def log_id_of(connection: Connection, job_id: int, trigger_key: str) -> int:
    """The log id of a trigger that was planned, by its key."""
    statement = select(JobLog.id).where(JobLog.job_id == job_id, JobLog.trigger_key == trigger_key).limit(1)
    return connection.execute(statement).scalar_one()


def plan(connection: Connection, triggers: Sequence[NewTrigger], now_ms: int) -> int:
    """Insert pending rows, in this order; answers how many of them were new."""
    return _PLAN.execute(connection, [_row(trigger, now_ms) for trigger in triggers])


def key_cron(fire_at_ms: int) -> str:
    """The key of a fire time."""
    return f"cron:{fire_at_ms}"


def key_misfire(fire_at_ms: int) -> str:
    """The key of the one run that makes up for missed fire times, the first of which is given."""
    return f"misfire:{fire_at_ms}"


def key_manual(uuid: str) -> str:
    """The key of a press of the button; the form carries the uuid, so a double click is one run."""
    return f"manual:{uuid}"


def key_api(idempotency_key: str) -> str:
    """The key of a call from outside."""
    return f"api:{idempotency_key}"


def key_retry(log_id: int) -> str:
    """The key of the retry of a run."""
    return f"retry:{log_id}"


def key_parent(log_id: int) -> str:
    """The key of a child's run, by the run of its parent."""
    return f"parent:{log_id}"


def _row(trigger: NewTrigger, now_ms: int) -> Row:
    # enum members become the plain strings they stand for: drivers differ in what they make of them
    return (
        trigger.job_id,
        trigger.group_id,
        trigger.trigger_key,
        str(trigger.trigger_type),
        trigger.fire_at_ms,
        trigger.executor_handler,
        trigger.executor_param,
        trigger.executor_fail_retry_count,
        trigger.executor_timeout,
        str(trigger.block_strategy),
        str(trigger.on_lost),
        trigger.attempt,
        trigger.parent_log_id,
        trigger.shard_index,
        trigger.shard_total,
        trigger.not_before_ms,
        trigger.expires_at_ms,
        bool(trigger.executor_address),
        trigger.executor_address,
        # a row made a moment ahead of its fire time is triggered when that comes
        max(now_ms, trigger.fire_at_ms),
    )
