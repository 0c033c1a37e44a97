"""The list of jobs, each with its last runs and with what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import Connection, select, union_all

from baton.store import jobs
from baton.store.jobs import JobFilter, JobView
from baton.store.models import JobLog
from baton.vocabulary import GlueType, TriggerStatus

from . import job_facts
from .presence import GroupPresence
from .run_list import row_id

PAGE_ROWS = 50
STRIP_RUNS = 14
TEXT_LIMIT = 100
STATUSES: dict[str, JobFilter] = {
    "running": JobFilter(trigger_status=TriggerStatus.RUNNING),
    "stopped": JobFilter(trigger_status=TriggerStatus.STOPPED),
    "paused": JobFilter(trigger_status=TriggerStatus.STOPPED, is_paused=True),
    "halted": JobFilter(trigger_status=TriggerStatus.STOPPED, is_halted=True),
}


@dataclass(frozen=True, slots=True)
class StripRun:
    """One run in the strip of a job: enough for a coloured bar."""

    log_id: int
    outcome: str | None


@dataclass(frozen=True, slots=True)
class ListedJob:
    """One row of the list."""

    job: JobView
    strip: tuple[StripRun, ...]
    """Its last runs, the newest last."""
    presence: GroupPresence
    brief: str
    """What is not as most jobs have it, in a few words."""

    @property
    def lacks_handler(self) -> bool:
        """Executors are there, and none of them knows the handler."""
        if self.job.glue_type != GlueType.BEAN:
            return False
        return self.presence.lacks(self.job.executor_handler)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asked for, as it stands in the address."""

    q: str = ""
    group: str = ""
    status: str = ""
    calendar: str = ""
    before: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> Self:
        """Read the query string; what makes no sense is as if it were not there."""
        asked = cls(**{name: args.get(name, "").strip() for name in cls.__slots__})
        return replace(
            asked,
            q=asked.q[:TEXT_LIMIT],
            group=asked.group if row_id(asked.group) else "",
            status=asked.status if asked.status in STATUSES else "",
            calendar=asked.calendar if row_id(asked.calendar) else "",
            before=asked.before if row_id(asked.before) else "",
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return any((self.q, self.group, self.status, self.calendar))

    def to_params(self, **changes: str) -> dict[str, str]:
        """The query string of this question, with changes."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "before"} | changes
        return {name: value for name, value in values.items() if value}

    def filter(self) -> JobFilter:
        """The same question as the store asks it."""
        wanted = STATUSES.get(self.status, JobFilter())
        return replace(wanted, group_id=row_id(self.group), text=self.q, calendar_id=row_id(self.calendar))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of jobs, newest first."""

    rows: tuple[ListedJob, ...]
    older: str
    total: int


def page(
    connection: Connection,
    asked: Question,
    served: Mapping[int, GroupPresence],
    calendar_names: Mapping[int, str],
) -> Page:
    """The jobs that fit."""
    found = jobs.list_page(connection, asked.filter(), row_id(asked.before), PAGE_ROWS + 1)
    has_more = len(found) > PAGE_ROWS
    shown = found[:PAGE_ROWS]
    strips = last_runs(connection, [job.id for job in shown])
    return Page(
        rows=tuple(
            ListedJob(
                job, strips.get(job.id, ()), served[job.group_id], job_facts.in_brief(job, calendar_names)
            )
            for job in shown
        ),
        older=str(shown[-1].id) if has_more else "",
        total=jobs.count(connection, asked.filter()),
    )


def last_runs(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[StripRun, ...]]:
    """The last runs of each job, the newest last."""
    if not job_ids:
        return {}
    # one short walk along the index per job: a window over all rows would read whole histories
    walks = [
        select(
            select(JobLog.job_id, JobLog.id, JobLog.outcome)
            .where(JobLog.job_id == job_id)
            .order_by(JobLog.id.desc())
            .limit(STRIP_RUNS)
            .subquery()
        )
        for job_id in job_ids
    ]
    strips: dict[int, list[StripRun]] = {}
    for job_id, log_id, outcome in sorted(connection.execute(union_all(*walks)), key=lambda row: row[1]):
        strips.setdefault(job_id, []).append(StripRun(log_id, outcome))
    return {job_id: tuple(strip) for job_id, strip in strips.items()}
