"""Jobs: what shall run, and when.

Two writers meet here: planners advance `next_trigger_time`, people edit everything else. So every
statement writes only its own columns; planners move a job by compare-and-set on the time they
read, and an edit names the version it was made from. The one place where an edit touches the next
time is a changed schedule, in the same statement that changes it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, func, insert, or_, select, text, update
from sqlalchemy import delete as delete_from

from ..errors import ScheduleError
from ..schedule import AWAITING_END_MS, Schedule, next_fire
from ..vocabulary import (
    BlockStrategy,
    DstFold,
    DstGap,
    GlueType,
    MisfireStrategy,
    OnLateness,
    OnLost,
    RetryBackoff,
    RouteStrategy,
    ScheduleType,
    SerialScope,
    TriggerStatus,
)
from .bulk import among, update_many
from .models import FOLLOWED, Calendar, ExecutorGroup, GlueVersion, Job, JobLog

_JOB = Job.__table__


class Scheduled:
    """Whatever has the columns of a schedule."""

    __slots__ = ()
    schedule_type: str
    schedule_conf: str
    time_zone: str
    dst_gap: str
    dst_fold: str
    start_at: int
    end_at: int

    def schedule_under(self, calendar_rules: str) -> Schedule:
        """When it fires, but for what these rules exclude."""
        return Schedule(
            self.schedule_type,
            self.schedule_conf,
            self.time_zone,
            self.dst_gap,
            self.dst_fold,
            self.start_at,
            self.end_at,
            calendar_rules,
        )


class StoredSchedule(Scheduled):
    """As read from the database: with the rules of its calendar."""

    __slots__ = ()
    calendar_rules: str

    @property
    def schedule(self) -> Schedule:
        """When it fires."""
        return self.schedule_under(self.calendar_rules)


@dataclass(frozen=True, slots=True)
class DueJob(StoredSchedule):
    """A job whose fire time has come: all that planning needs."""

    id: int
    group_id: int
    next_trigger_time: int
    schedule_type: str
    schedule_conf: str
    time_zone: str
    dst_gap: str
    dst_fold: str
    start_at: int
    end_at: int
    jitter_s: int
    calendar_id: int | None
    calendar_rules: str
    misfire_strategy: str
    max_catchup: int
    catchup_window_s: int
    start_deadline_s: int
    route_strategy: str
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str


@dataclass(frozen=True, slots=True)
class Advance:
    """Moves one job from the fire time it was read with to its next one."""

    job_id: int
    expected_next_ms: int
    next_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class JobDraft(Scheduled):
    """What a person decides about a job. Whether its schedule is followed is not part of it."""

    group_id: int
    name: str
    executor_handler: str
    description: str = ""
    author: str = ""
    schedule_type: str = ScheduleType.NONE
    schedule_conf: str = ""
    time_zone: str = "UTC"
    dst_gap: str = DstGap.RUN_AFTER
    dst_fold: str = DstFold.ONCE
    start_at: int = 0
    end_at: int = 0
    jitter_s: int = 0
    calendar_id: int | None = None
    misfire_strategy: str = MisfireStrategy.DO_NOTHING
    max_catchup: int = 10
    catchup_window_s: int = 86_400
    start_deadline_s: int = 0
    route_strategy: str = RouteStrategy.ANY
    executor_tag: str = ""
    block_strategy: str = BlockStrategy.SERIAL_EXECUTION
    serial_scope: str = SerialScope.LANE
    max_concurrency: int = 1
    max_queue: int = 0
    priority: int = 5
    glue_type: str = GlueType.BEAN
    executor_param: str = ""
    executor_timeout: int = 0
    executor_fail_retry_count: int = 0
    retry_delay_s: int = 0
    retry_backoff: str = RetryBackoff.FIXED
    retry_delay_max_s: int = 3600
    child_job_ids: str = ""
    on_lost: str = OnLost.FAIL
    retry_refused: bool = False
    on_lateness: str = OnLateness.ALARM
    late_after_s: int = 0
    alarm_channel_ids: str = ""
    alarms_only_chosen: bool = False


@dataclass(frozen=True, slots=True)
class JobView(StoredSchedule):
    """Everything about one job."""

    id: int
    group_id: int
    app_name: str
    name: str
    description: str
    author: str
    schedule_type: str
    schedule_conf: str
    time_zone: str
    dst_gap: str
    dst_fold: str
    start_at: int
    end_at: int
    jitter_s: int
    calendar_id: int | None
    calendar_rules: str
    misfire_strategy: str
    max_catchup: int
    catchup_window_s: int
    start_deadline_s: int
    route_strategy: str
    executor_tag: str
    block_strategy: str
    serial_scope: str
    max_concurrency: int
    max_queue: int
    priority: int
    glue_type: str
    executor_handler: str
    executor_param: str
    executor_timeout: int
    executor_fail_retry_count: int
    retry_delay_s: int
    retry_backoff: str
    retry_delay_max_s: int
    child_job_ids: str
    on_lost: str
    retry_refused: bool
    on_lateness: str
    late_after_s: int
    alarm_channel_ids: str
    alarms_only_chosen: bool
    trigger_status: int
    last_trigger_time: int
    next_trigger_time: int
    stop_reason: str
    pause_note: str
    declared_key: str | None
    declared: str
    version: int
    created_at: int
    updated_at: int

    @property
    def is_running(self) -> bool:
        """Whether its schedule is followed."""
        return self.trigger_status == TriggerStatus.RUNNING

    @property
    def awaits_end(self) -> bool:
        """Whether its next time is told by the end of the run that is under way."""
        return self.next_trigger_time == AWAITING_END_MS


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows; None and the empty string leave a question open."""

    group_id: int | None = None
    trigger_status: int | None = None
    text: str = ""
    """Part of the name, the handler, the description or the pause note."""
    is_paused: bool = False
    """Only those that a person stopped."""
    is_halted: bool = False
    """Only those that the scheduler stopped by itself."""
    calendar_id: int | None = None


# the planner


_IS_FOLLOWED = text(FOLLOWED)

_CALENDAR_RULES = case(
    (Job.calendar_id.is_(None), ""),
    # a rule that cannot be read: such a job is not followed, rather than followed without its calendar
    else_=func.coalesce(Calendar.rules, "(the calendar was deleted)"),
)


def stored(kind: type[StoredSchedule]) -> Select[Any]:
    """The columns of `kind`, a dataclass, in its order."""
    special = {"app_name": ExecutorGroup.app_name, "calendar_rules": _CALENDAR_RULES}
    names = [field.name for field in fields(kind)]
    return (
        select(*(special[name] if name in special else _JOB.c[name] for name in names))
        .select_from(Job)
        .outerjoin(Calendar, Calendar.id == Job.calendar_id)
    )


_DUE = (
    stored(DueJob)
    .where(_IS_FOLLOWED, Job.next_trigger_time.between(bindparam("from_ms"), bindparam("now_ms")))
    .order_by(Job.next_trigger_time)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, of=Job)
)
_STANDING = (
    select(Job.id, Job.next_trigger_time)
    .where(_IS_FOLLOWED, among(Job.id))
    .order_by(Job.id)
    .with_for_update()
)
_ADVANCE = update_many(
    _JOB,
    ("id", "next_trigger_time", "last_trigger_time"),
    assign="next_trigger_time = :next_trigger_time, last_trigger_time = :last_trigger_time",
    where="id = :id",
)
_NEXT_DUE = select(func.min(Job.next_trigger_time)).where(_IS_FOLLOWED)


def due(connection: Connection, now_ms: int, limit: int, from_ms: int = 0) -> list[DueJob]:
    """Jobs whose next time has come, not before `from_ms`; the most overdue first.

    On PostgreSQL they are locked; those that another planner has locked are left out.
    """
    found = connection.execute(_DUE, {"now_ms": now_ms, "limit": limit, "from_ms": from_ms})
    return [DueJob(*row) for row in found]


def advance(connection: Connection, moves: Sequence[Advance]) -> set[int]:
    """Move jobs that still stand where they were read; answers the ids of those that did.

    The others were advanced by another planner, edited, stopped or deleted meanwhile.
    """
    if not moves:
        return set()
    rows = connection.execute(_STANDING, {"ids": [move.job_id for move in moves]})
    standing = {row.id: row.next_trigger_time for row in rows}
    moved = [move for move in moves if standing.get(move.job_id) == move.expected_next_ms]
    _ADVANCE.execute(connection, [(move.job_id, move.next_ms, move.last_ms) for move in moved])
    return {move.job_id for move in moved}


def stop_job(
    connection: Connection, job_id: int, expected_next_ms: int, reason: str, last_ms: int | None = None
) -> bool:
    """Stop a job whose schedule ends or cannot be read; False if somebody changed it meanwhile.

    `last_ms` is the fire time that was planned now, if one was.
    """
    statement = (
        update(Job)
        .where(Job.id == job_id, _IS_FOLLOWED, Job.next_trigger_time == expected_next_ms)
        .values(
            trigger_status=TriggerStatus.STOPPED.value,
            next_trigger_time=0,
            last_trigger_time=Job.last_trigger_time if last_ms is None else last_ms,
            stop_reason=reason,
        )
    )
    return connection.execute(statement).rowcount == 1


def next_due_ms(connection: Connection) -> int | None:
    """When the next job is due; None while no schedule is followed."""
    return connection.execute(_NEXT_DUE).scalar_one()


# people


_VIEW = stored(JobView).join(ExecutorGroup, ExecutorGroup.id == Job.group_id)


def create(connection: Connection, draft: JobDraft, now_ms: int) -> int:
    """Insert a stopped job; answers its id."""
    values = {**_plain(draft), "created_at": now_ms, "updated_at": now_ms}
    job_id: int = connection.execute(insert(Job).values(values)).inserted_primary_key[0]
    return job_id


_SCHEDULE = (
    "schedule_type",
    "schedule_conf",
    "time_zone",
    "dst_gap",
    "dst_fold",
    "start_at",
    "end_at",
    "calendar_id",
)


def edit(connection: Connection, job_id: int, version: int, draft: JobDraft, now_ms: int) -> bool:
    """Change a job that is still of this version; False if somebody edited or deleted it meanwhile.

    A followed schedule that changes is followed anew from now on; one that names no further time
    stops the job. Raises `ScheduleError` if the new schedule cannot be read.
    """
    plain = _plain(draft)
    next_ms = next_fire(schedule_of(connection, draft), now_ms)
    is_changed = and_(_IS_FOLLOWED, or_(*(_JOB.c[name].is_distinct_from(plain[name]) for name in _SCHEDULE)))
    # a delay counts from the end of its run, also a new one
    keeps_waiting = and_(
        Job.next_trigger_time == AWAITING_END_MS, Job.schedule_type == plain["schedule_type"]
    )
    is_rescheduled = and_(is_changed, ~keeps_waiting)
    is_over = TriggerStatus.STOPPED if next_ms is None else TriggerStatus.RUNNING
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.version == version)
        .values(
            **plain,
            next_trigger_time=case((is_rescheduled, next_ms or 0), else_=Job.next_trigger_time),
            trigger_status=case((is_rescheduled, is_over.value), else_=Job.trigger_status),
            version=Job.version + 1,
            updated_at=now_ms,
        )
    )
    return connection.execute(statement).rowcount == 1


def schedule_of(connection: Connection, draft: JobDraft) -> Schedule:
    """When a job of this draft would fire."""
    rules = connection.execute(select(Calendar.rules).where(Calendar.id == draft.calendar_id)).scalar()
    if rules is None and draft.calendar_id is not None:
        raise ScheduleError(f"there is no calendar {draft.calendar_id}: choose another, or none")
    return draft.schedule_under(rules or "")


def follow(connection: Connection, job_id: int, now_ms: int) -> bool:
    """Follow the schedule from now on; False if it names no time, is followed already, or the job is gone.

    Raises `ScheduleError` if it cannot be read.
    """
    job = get(connection, job_id)
    next_ms = next_fire(job.schedule, now_ms) if job else None
    return next_ms is not None and start(connection, job_id, next_ms, now_ms)


def start(connection: Connection, job_id: int, next_ms: int, now_ms: int) -> bool:
    """Follow the schedule from `next_ms` on; False if it is followed already, or the job is gone."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.trigger_status == TriggerStatus.STOPPED.value)
        .values(
            trigger_status=TriggerStatus.RUNNING.value,
            next_trigger_time=next_ms,
            stop_reason="",
            pause_note="",
            updated_at=now_ms,
        )
    )
    return connection.execute(statement).rowcount == 1


def stop(connection: Connection, job_id: int, now_ms: int, note: str = "") -> bool:
    """Follow the schedule no longer; False if it was not followed, or the job is gone.

    `note` is what others shall know about it.
    """
    statement = (
        update(Job)
        .where(Job.id == job_id, _IS_FOLLOWED)
        .values(
            trigger_status=TriggerStatus.STOPPED.value,
            next_trigger_time=0,
            stop_reason="",
            pause_note=note,
            updated_at=now_ms,
        )
    )
    return connection.execute(statement).rowcount == 1


def delete(connection: Connection, job_id: int) -> bool:
    """Delete a job and its runs that have not ended; False if it is gone. Their results find no row then.

    Those that ended may be millions, and are left to `retention.of_deleted_job`.
    """
    # the job first: a planner that holds it commits its rows before they are looked for
    if connection.execute(delete_from(Job).where(Job.id == job_id)).rowcount == 0:
        return False
    connection.execute(delete_from(GlueVersion).where(GlueVersion.job_id == job_id))
    unfinished = and_(JobLog.job_id == job_id, JobLog.outcome.is_(None))
    rows = select(JobLog.id).where(unfinished).order_by(JobLog.id).with_for_update()
    connection.execute(delete_from(JobLog).where(JobLog.id.in_(rows)))
    return True


def get(connection: Connection, job_id: int) -> JobView | None:
    """One job, or None."""
    row = connection.execute(_VIEW.where(Job.id == job_id)).one_or_none()
    return JobView(*row) if row else None


def named(connection: Connection, name: str) -> list[JobView]:
    """The jobs with exactly this name, oldest first: nothing keeps two from having the same."""
    found = connection.execute(_VIEW.where(Job.name == name).order_by(Job.id))
    return [JobView(*row) for row in found]


def names(connection: Connection, job_ids: Collection[int]) -> dict[int, str]:
    """The names of these jobs; one that was deleted is left out."""
    found = select(Job.id, Job.name).where(among(Job.id)).order_by(Job.id)
    return {row.id: row.name for row in connection.execute(found, {"ids": job_ids})}


def list_page(
    connection: Connection, wanted: JobFilter, before_id: int | None = None, limit: int = 50
) -> list[JobView]:
    """The newest jobs that fit, older than `before_id`."""
    statement = _fitting(_VIEW, wanted).order_by(Job.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(Job.id < before_id)
    return [JobView(*row) for row in connection.execute(statement)]


def count(connection: Connection, wanted: JobFilter) -> int:
    """How many jobs fit."""
    return connection.execute(_fitting(select(func.count()).select_from(Job), wanted)).scalar_one()


def _fitting(statement: Select[Any], wanted: JobFilter) -> Select[Any]:
    if wanted.group_id is not None:
        statement = statement.where(Job.group_id == wanted.group_id)
    if wanted.trigger_status is not None:
        statement = statement.where(Job.trigger_status == wanted.trigger_status)
    if wanted.is_paused:
        statement = statement.where(Job.pause_note != "")
    if wanted.is_halted:
        statement = statement.where(Job.stop_reason != "")
    if wanted.calendar_id is not None:
        statement = statement.where(Job.calendar_id == wanted.calendar_id)
    if wanted.text:
        places = (Job.name, Job.executor_handler, Job.description, Job.pause_note)
        statement = statement.where(or_(*(place.icontains(wanted.text, autoescape=True) for place in places)))
    return statement


def _plain(draft: JobDraft) -> dict[str, Any]:
    """The columns of a draft; enum members become the plain strings they stand for."""
    return {name: str(value) if isinstance(value, str) else value for name, value in asdict(draft).items()}
