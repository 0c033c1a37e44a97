"""Exclusion calendars: days and times on which jobs do not fire.

A change of its rules follows every job of the calendar anew, in the same transaction: a next time
that was planned by the old rules would otherwise fire, or one that is free now be passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, exists, func, insert, select, text, update

from ..errors import InputError, ScheduleError
from ..schedule import AWAITING_END_MS, calendar, next_fire, why_over
from . import jobs
from .bulk import update_many
from .models import FOLLOWED, Calendar, Job

NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class CalendarView:
    """One calendar, and how many jobs keep to it."""

    id: int
    name: str
    rules: str
    updated_at: int
    jobs: int


@dataclass(frozen=True, slots=True)
class _FollowedJob(jobs.StoredSchedule):
    id: int
    next_trigger_time: int
    schedule_type: str
    schedule_conf: str
    time_zone: str
    dst_gap: str
    dst_fold: str
    start_at: int
    end_at: int
    calendar_rules: str


_JOBS = select(func.count()).select_from(Job).where(Job.calendar_id == Calendar.id).scalar_subquery()
_VIEW = select(Calendar.id, Calendar.name, Calendar.rules, Calendar.updated_at, _JOBS)
# a fixed delay whose run is under way asks for its time when that has ended
_FOLLOWED = and_(text(FOLLOWED), Job.next_trigger_time != AWAITING_END_MS)
_MOVE = update_many(
    Job.__table__,
    ("id", "next_trigger_time"),
    assign="next_trigger_time = :next_trigger_time",
    where=f"id = :id and {FOLLOWED}",
)


def all_calendars(connection: Connection) -> list[CalendarView]:
    """By name."""
    return [CalendarView(*row) for row in connection.execute(_VIEW.order_by(Calendar.name))]


def get(connection: Connection, calendar_id: int) -> CalendarView | None:
    """One calendar, or None."""
    row = connection.execute(_VIEW.where(Calendar.id == calendar_id)).one_or_none()
    return CalendarView(*row) if row else None


def create(connection: Connection, name: str, rules: str, now_ms: int) -> int:
    """Insert a calendar; answers its id. Raises `InputError` for a name or rules that cannot be."""
    _check(connection, None, name, rules)
    made = connection.execute(insert(Calendar).values(name=name, rules=rules, updated_at=now_ms))
    calendar_id: int = made.inserted_primary_key[0]
    return calendar_id


def edit(connection: Connection, calendar_id: int, name: str, rules: str, now_ms: int) -> bool:
    """Change a calendar, and the next times of its jobs; False if it is gone. Raises as `create`."""
    _check(connection, calendar_id, name, rules)
    statement = (
        update(Calendar).where(Calendar.id == calendar_id).values(name=name, rules=rules, updated_at=now_ms)
    )
    if connection.execute(statement).rowcount == 0:
        return False
    _follow_anew(connection, calendar_id, now_ms)
    return True


def remove(connection: Connection, calendar_id: int) -> bool:
    """Delete a calendar; False if it is gone, or a job keeps to it."""
    is_kept_to = exists().where(Job.calendar_id == calendar_id)
    statement = delete(Calendar).where(Calendar.id == calendar_id, ~is_kept_to)
    return connection.execute(statement).rowcount == 1


def _check(connection: Connection, calendar_id: int | None, name: str, rules: str) -> None:
    if not name.strip() or len(name) > NAME_LIMIT:
        raise InputError(f"a calendar needs a name of 1 to {NAME_LIMIT} characters, as Holidays")
    calendar.read(rules)
    others = select(Calendar.id).where(Calendar.name == name, Calendar.id.is_distinct_from(calendar_id))
    if connection.execute(others).first():
        raise InputError(f"there is a calendar named {name!r} already: choose another name")


def _follow_anew(connection: Connection, calendar_id: int, now_ms: int) -> None:
    found = connection.execute(
        jobs.stored(_FollowedJob)
        .where(Job.calendar_id == calendar_id, _FOLLOWED)
        .order_by(Job.id)
        .with_for_update(of=Job)
    )
    moves: list[tuple[int, int]] = []
    for job in [_FollowedJob(*row) for row in found]:
        if job.next_trigger_time <= now_ms:
            continue  # due by the old rules: the planner is about to take it
        try:
            next_ms = next_fire(job.schedule, now_ms)
        except ScheduleError:
            continue  # the planner stops it when it is due, and says why
        if next_ms is None:
            jobs.stop_job(connection, job.id, job.next_trigger_time, why_over(job.schedule))
        else:
            moves.append((job.id, next_ms))
    _MOVE.execute(connection, moves)
