"""Fire times of the past, planned now: a range that a person chose.

The keys are those of the planner, so a time that had its run gets no second one, and asking twice
plans nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ..errors import InputError
from ..schedule import within
from ..vocabulary import ScheduleType, TriggerType
from . import triggers
from .jobs import JobView, get
from .models import Job, JobLog

MOST_ROWS = 1000
"""Of one backfill; a longer range is done in parts."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """The fire times of a range, in order."""

    missing: tuple[int, ...]
    """Those without a run."""
    present: tuple[int, ...]
    """Those that had one."""


def look(connection: Connection, job_id: int, from_ms: int, until_ms: int, now_ms: int) -> Backfill:
    """What a backfill from `from_ms` on and before `until_ms` would plan; changes nothing.

    Raises `InputError` if there is no such job, and for a range that cannot be planned.
    """
    return _look(connection, _job(connection, job_id), from_ms, until_ms, now_ms)


def plan(connection: Connection, job_id: int, from_ms: int, until_ms: int, now_ms: int) -> Backfill:
    """Plan the missing fire times of a range, oldest first; raises as `look`."""
    # the planner holds this lock while it inserts the same keys
    connection.execute(select(Job.id).where(Job.id == job_id).with_for_update())
    job = _job(connection, job_id)
    found = _look(connection, job, from_ms, until_ms, now_ms)
    triggers.plan(connection, [_trigger(job, at, now_ms) for at in found.missing], now_ms)
    return found


def _job(connection: Connection, job_id: int) -> JobView:
    job = get(connection, job_id)
    if job is None:
        raise InputError(f"there is no job {job_id}")
    return job


def _look(connection: Connection, job: JobView, from_ms: int, until_ms: int, now_ms: int) -> Backfill:
    if not from_ms < until_ms <= now_ms:
        raise InputError(
            "a backfill needs a range of the past: a beginning before its end, which is not to come"
        )
    times = within(job.schedule, _planned_ms(job, from_ms), from_ms, until_ms, MOST_ROWS + 1)
    if len(times) > MOST_ROWS:
        raise InputError(f"the range has more than {MOST_ROWS:,} fire times: choose a shorter one")
    present = _with_run(connection, job.id, times)
    return Backfill(
        missing=tuple(at for at in times if at not in present),
        present=tuple(at for at in times if at in present),
    )


def _planned_ms(job: JobView, from_ms: int) -> int:
    """A time that the schedule named: a fixed rate has its grid from there."""
    if job.schedule_type != ScheduleType.FIX_RATE:
        return from_ms
    return job.next_trigger_time or job.last_trigger_time or from_ms


def _with_run(connection: Connection, job_id: int, times: list[int]) -> set[int]:
    """Those of the fire times that have a row, of their own or one that makes up for them."""
    keys = {key_of(at): at for at in times for key_of in (triggers.key_cron, triggers.key_misfire)}
    found = select(JobLog.trigger_key).where(JobLog.job_id == job_id, JobLog.trigger_key.in_(keys))
    return {keys[key] for key in connection.execute(found).scalars()}


def _trigger(job: JobView, fire_at_ms: int, now_ms: int) -> triggers.NewTrigger:
    key = triggers.key_cron(fire_at_ms)
    return triggers.of_job(job, key, TriggerType.BACKFILL, now_ms, fire_at_ms=fire_at_ms)
