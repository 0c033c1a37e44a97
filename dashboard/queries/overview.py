"""One look answers: what runs, what comes next, what went wrong, who is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from baton.scanner.repair import is_leftover
from baton.schedule import AWAITING_END_MS
from baton.store import failed_callbacks, findings, groups
from baton.store.models import FOLLOWED, UNFINISHED, UNSUCCESSFUL, ExecutorGroup, Job, JobLog
from baton.vocabulary import TriggerCode

from ..filters import reason
from . import presence, run_list
from .presence import GroupPresence
from .reports import FAILURES
from .run_list import SINCE, Counts, Question

LISTED = 8
"""Rows of each list on the page."""
LOOKED_AT = 2_000
"""The oldest unfinished rows among which the running ones are sought: a lane runs its oldest first.
And the newest failures that are told apart by job."""
PER_JOB = 2
"""A lane runs one; the one before it may be ending."""
SHOWN_RUNNING = 20


@dataclass(frozen=True, slots=True)
class RunningRow:
    """A run that an executor holds."""

    log_id: int
    job_id: int
    job_name: str | None
    app_name: str | None
    trigger_time: int
    executor: str = ""


@dataclass(frozen=True, slots=True)
class UpcomingRow:
    """A job whose schedule is followed, and when it fires next."""

    job_id: int
    name: str
    app_name: str
    next_ms: int


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A job some of whose runs ended as nobody wanted, and the newest of them."""

    log_id: int
    job_id: int
    job_name: str | None
    outcome: str
    handle_msg: str | None
    trigger_msg: str | None
    at_ms: int
    times: int

    @property
    def message(self) -> str:
        """What its handler said, or why it never had one."""
        return self.handle_msg or reason(self.trigger_msg)


@dataclass(frozen=True, slots=True)
class Problem:
    """A job that will not do what it says, and why."""

    job_id: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page."""

    groups: tuple[GroupPresence, ...]
    running: tuple[RunningRow, ...]
    held: int
    """How many runs executors hold; `running` lists the first of them."""
    upcoming: tuple[UpcomingRow, ...]
    failures: tuple[FailureRow, ...]
    counts: Counts
    problems: tuple[Problem, ...]
    failed_callbacks: int
    findings: int
    """Broken invariants."""

    @property
    def executors(self) -> int | None:
        """How many executors there are; None while Redis is away."""
        if any(group.executors is None for group in self.groups):
            return None
        return sum(len(group.executors or ()) for group in self.groups)

    @property
    def failed(self) -> int:
        """Failures among the runs that were counted."""
        return sum(self.counts.by_state.get(outcome, 0) for outcome in FAILURES)


def look(connection: Connection, now_ms: int) -> Overview:
    """Ask both stores."""
    served = presence.of_groups(groups.all_groups(connection))
    held = running(connection)
    return Overview(
        groups=tuple(served.values()),
        running=held[:SHOWN_RUNNING],
        held=len(held),
        upcoming=upcoming(connection),
        failures=failures(connection, now_ms - SINCE["24h"]),
        counts=run_list.counts(connection, Question(since="24h"), now_ms),
        problems=problems(connection, served),
        failed_callbacks=failed_callbacks.count(connection),
        findings=sum(not is_leftover(each) for each in findings.confirmed(connection)),
    )


def running(connection: Connection) -> tuple[RunningRow, ...]:
    """What executors hold now, the longest-waiting first."""
    oldest = (
        select(JobLog.id, JobLog.job_id)
        .where(text(UNFINISHED), JobLog.trigger_code == TriggerCode.QUEUED.value)
        .order_by(JobLog.id)
        .limit(LOOKED_AT)
        .subquery()
    )
    place = func.row_number().over(partition_by=oldest.c.job_id, order_by=oldest.c.id).label("place")
    heads = select(oldest.c.id, place).subquery()
    statement = (
        select(JobLog.id, JobLog.job_id, Job.name, ExecutorGroup.app_name, JobLog.trigger_time)
        .join(heads, heads.c.id == JobLog.id)
        .outerjoin(Job, Job.id == JobLog.job_id)
        .outerjoin(ExecutorGroup, ExecutorGroup.id == JobLog.group_id)
        .where(heads.c.place <= PER_JOB)
        .order_by(JobLog.id)
    )
    rows = [RunningRow(*row) for row in connection.execute(statement)]
    holders = run_list.holders_of((row.app_name, row.log_id) for row in rows)
    held = [row for row in rows if row.log_id in holders]
    return tuple(
        RunningRow(row.log_id, row.job_id, row.job_name, row.app_name, row.trigger_time, holders[row.log_id])
        for row in held
    )


def upcoming(connection: Connection) -> tuple[UpcomingRow, ...]:
    """What fires next."""
    statement = (
        select(Job.id, Job.name, ExecutorGroup.app_name, Job.next_trigger_time)
        .join(ExecutorGroup, ExecutorGroup.id == Job.group_id)
        .where(text(FOLLOWED), Job.next_trigger_time < AWAITING_END_MS)
        .order_by(Job.next_trigger_time, Job.id)
        .limit(LISTED)
    )
    return tuple(UpcomingRow(*row) for row in connection.execute(statement))


def failures(connection: Connection, from_ms: int) -> tuple[FailureRow, ...]:
    """The jobs that failed since `from_ms`, once each, with their newest failure."""
    newest = (
        select(JobLog.id, JobLog.job_id)
        .where(
            text(UNSUCCESSFUL),
            JobLog.outcome.in_([outcome.value for outcome in FAILURES]),
            JobLog.trigger_time >= from_ms,
        )
        .order_by(JobLog.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    last_id = func.max(newest.c.id).label("last_id")
    by_job = select(last_id, func.count().label("times")).group_by(newest.c.job_id).subquery()
    statement = (
        select(
            JobLog.id,
            JobLog.job_id,
            Job.name,
            JobLog.outcome,
            JobLog.handle_msg,
            JobLog.trigger_msg,
            JobLog.trigger_time,
            by_job.c.times,
        )
        .join(by_job, by_job.c.last_id == JobLog.id)
        .outerjoin(Job, Job.id == JobLog.job_id)
        .order_by(JobLog.id.desc())
        .limit(LISTED)
    )
    rows: list[tuple[Any, ...]] = [tuple(row) for row in connection.execute(statement)]
    return tuple(FailureRow(*row) for row in rows)


def problems(connection: Connection, served: dict[int, GroupPresence]) -> tuple[Problem, ...]:
    """Jobs that the planner had to stop, and followed ones whose handler no executor has."""
    statement = (
        select(Job.id, Job.name, Job.group_id, Job.executor_handler, Job.stop_reason)
        .where(text(f"{FOLLOWED} or stop_reason <> ''"))
        .order_by(Job.id)
    )
    found = []
    for job_id, name, group_id, handler, stop_reason in connection.execute(statement):
        if stop_reason:
            found.append(Problem(job_id, name, f"was stopped: {stop_reason}"))
        elif served[group_id].lacks(handler):
            found.append(Problem(job_id, name, f"no executor of its group has the handler {handler!r}"))
    return tuple(found)
