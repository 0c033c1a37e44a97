"""The form of a job."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

from baton.errors import InputError, ScheduleError
from baton.rq_target import read_target
from baton.schedule import Schedule, check, upcoming, words
from baton.store.jobs import JobDraft, JobView
from baton.vocabulary import BlockStrategy, GlueType, MisfireStrategy, OnLost, ScheduleType

from .job_options import (
    SECTIONS,
    alarm_options,
    executor_options,
    queue_options,
    retry_options,
    schedule_options,
    typed_moment,
)
from .reading import Reading, sentence

NAME_LIMIT = 128
HANDLER_LIMIT = 128
AUTHOR_LIMIT = 64
CONF_LIMIT = 256
ZONE_LIMIT = 64
DESCRIPTION_LIMIT = 4_000
LONGEST_TIMEOUT_S = 30 * 24 * 3600
MOST_RETRIES = 100
NEXT_FIRES = 10


@cache
def time_zones() -> tuple[str, ...]:
    """Names to choose from; others may be typed."""
    return tuple(sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone or zone == "UTC"))


@dataclass(frozen=True, slots=True)
class FireTimes:
    """What a schedule comes to: the next times, or what is wrong with it."""

    times: tuple[int, ...] = ()
    words: str = ""
    """What a cron expression says."""
    zone: str = ""
    """Whose wall clock it means; empty for a schedule that means none."""
    errors: dict[str, str] = field(default_factory=dict)
    """By field: `schedule_conf` or `time_zone`."""

    @classmethod
    def of(cls, schedule: Schedule, now_ms: int) -> Self:
        """The next ten fire times of a schedule that would be followed from `now_ms` on."""
        # the zone apart from the expression, so that each error stands by its own field
        errors = {
            name: sentence(problem)
            for name, problem in (
                ("schedule_conf", _problem(replace(schedule, time_zone="UTC"))),
                ("time_zone", _problem(Schedule(ScheduleType.NONE, time_zone=schedule.time_zone))),
            )
            if problem
        }
        if errors:
            return cls(errors=errors)
        is_cron = schedule.type == ScheduleType.CRON
        return cls(
            times=tuple(upcoming(schedule, now_ms, NEXT_FIRES)),
            words=words.describe(schedule.conf) if is_cron else "",
            zone=schedule.time_zone if is_cron else "",
        )

    @classmethod
    def of_job(cls, job: JobView, now_ms: int) -> Self:
        """The next ten fire times of a job; of one that is followed, from the planned one on."""
        fires = cls.of(job.schedule, now_ms)
        if not job.is_running or fires.errors:
            return fires
        if job.awaits_end:
            return replace(fires, times=())
        planned_ms = job.next_trigger_time
        later = upcoming(job.schedule, planned_ms, NEXT_FIRES - 1)
        return replace(fires, times=(planned_ms, *later))


def _problem(schedule: Schedule) -> str:
    try:
        check(schedule)
    except ScheduleError as problem:
        return str(problem)
    return ""


@dataclass(frozen=True, slots=True)
class JobForm:
    """What the form shows: values as typed, errors by field, and the draft if there are none."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    draft: JobDraft | None = None
    fire_times: FireTimes = FireTimes()
    version: int = 0
    """The version of the job the person saw when the form was made; 0 for a new one."""

    @classmethod
    def blank(cls, group_id: int | None) -> Self:
        """For a new job."""
        values = _values_of(JobDraft(group_id=group_id or 0, name="", executor_handler=""))
        return cls({**values, "schedule_type": ScheduleType.CRON.value})

    @classmethod
    def of(cls, job: JobView, now_ms: int) -> Self:
        """For an existing job, as it is stored."""
        return cls(_values_of(job), fire_times=FireTimes.of_job(job, now_ms), version=job.version)

    @classmethod
    def submitted(
        cls,
        form: Mapping[str, str],
        group_ids: Collection[int],
        calendars: Mapping[int, str],
        channel_ids: Collection[int],
        now_ms: int,
    ) -> Self:
        """Read and check what a person sent; `calendars` are the rules by id."""
        reading = Reading(form)
        draft = _draft(reading, group_ids, calendars, channel_ids)
        fires = FireTimes.of(draft.schedule_under(calendars.get(draft.calendar_id or 0, "")), now_ms)
        for name, text in fires.errors.items():
            reading.wrong(name, text)
        version = reading.whole("version", "The version", 2**31 - 1)
        return cls(
            values={name: reading.raw(name) for name in _FIELDS},
            errors=reading.errors,
            draft=None if reading.errors else draft,
            fire_times=fires,
            version=version,
        )

    def is_unusual(self, section: str) -> bool:
        """Whether something in a folded section is wrong, or not as most jobs have it."""
        names = SECTIONS[section]
        return any(name in self.errors or self.values[name] != _USUAL[name] for name in names)

    def with_error(self, name: str, text: str) -> JobForm:
        """The same, with something wrong about one field."""
        return JobForm(self.values, {**self.errors, name: text}, None, self.fire_times, self.version)


_FIELDS = (
    "group_id",
    "name",
    "description",
    "author",
    "glue_type",
    "executor_handler",
    "executor_param",
    "schedule_type",
    "schedule_conf",
    "time_zone",
    "misfire_strategy",
    "block_strategy",
    "on_lost",
    "executor_timeout",
    "executor_fail_retry_count",
    "retry_refused",
    *(name for names in SECTIONS.values() for name in names),
)
"""What a person decides. Nothing else of a job is ever taken from a form."""


def _draft(
    reading: Reading,
    group_ids: Collection[int],
    calendars: Mapping[int, str],
    channel_ids: Collection[int],
) -> JobDraft:
    schedule_type = reading.choice("schedule_type", "The schedule type", ScheduleType, ScheduleType.NONE)
    conf = reading.line("schedule_conf", "The schedule", CONF_LIMIT)
    time_zone = reading.line("time_zone", "The time zone", ZONE_LIMIT) or "UTC"
    glue_type = reading.choice("glue_type", "What it runs", GlueType, GlueType.BEAN)
    return JobDraft(
        group_id=_group(reading, group_ids),
        glue_type=glue_type.value,
        name=reading.line("name", "The name", NAME_LIMIT, is_required=True),
        description=reading.text("description", "The description", DESCRIPTION_LIMIT),
        author=reading.line("author", "The author", AUTHOR_LIMIT),
        executor_handler=_handler(reading, glue_type),
        executor_param=reading.param("executor_param"),
        schedule_type=schedule_type.value,
        schedule_conf="" if schedule_type is ScheduleType.NONE else conf,
        time_zone=time_zone,
        misfire_strategy=reading.choice(
            "misfire_strategy", "The misfire strategy", MisfireStrategy, MisfireStrategy.DO_NOTHING
        ).value,
        block_strategy=reading.choice(
            "block_strategy", "The block strategy", BlockStrategy, BlockStrategy.SERIAL_EXECUTION
        ).value,
        on_lost=reading.choice("on_lost", "What a lost run becomes", OnLost, OnLost.FAIL).value,
        executor_timeout=reading.whole("executor_timeout", "The time limit", LONGEST_TIMEOUT_S),
        executor_fail_retry_count=reading.whole("executor_fail_retry_count", "The retry count", MOST_RETRIES),
        retry_refused=reading.is_checked("retry_refused"),
        **schedule_options(reading, time_zone, calendars),
        **executor_options(reading),
        **queue_options(reading),
        **retry_options(reading),
        **alarm_options(reading, channel_ids),
    )


def _handler(reading: Reading, glue_type: GlueType) -> str:
    """The name of a handler, or of a function on RQ; a script has none."""
    if glue_type.is_script:
        return ""
    handler = reading.line("executor_handler", "The handler", HANDLER_LIMIT, is_required=True)
    if glue_type is GlueType.RQ and handler:
        try:
            read_target(handler)
        except InputError as problem:
            reading.wrong("executor_handler", sentence(str(problem)))
    return handler


def typed_schedule(form: Mapping[str, str], calendars: Mapping[int, str]) -> Schedule:
    """The schedule of a form that is still being typed; what cannot be read yet is as if it were empty."""
    reading = Reading(form)
    zone = reading.raw("time_zone").strip() or "UTC"
    options = schedule_options(reading, zone, calendars)
    return Schedule(
        type=reading.raw("schedule_type") or ScheduleType.NONE.value,
        conf=reading.raw("schedule_conf").strip(),
        time_zone=zone,
        gap=options["dst_gap"],
        fold=options["dst_fold"],
        start_at=options["start_at"],
        end_at=0 if "end_at" in reading.errors else options["end_at"],
        calendar=calendars.get(options["calendar_id"] or 0, ""),
    )


def _group(reading: Reading, group_ids: Collection[int]) -> int:
    group_id = reading.whole("group_id", "The group", 2**63 - 1)
    if group_id not in group_ids:
        reading.wrong("group_id", "Choose one of the executor groups.")
    return group_id


def _values_of(job: JobDraft | JobView) -> dict[str, str]:
    """As the fields of the form show them."""
    values = {name: getattr(job, name) for name in _FIELDS}
    for name in ("retry_refused", "alarms_only_chosen"):
        values[name] = "1" if values[name] else ""
    values["calendar_id"] = job.calendar_id or ""
    for name in ("start_at", "end_at"):
        values[name] = typed_moment(values[name], job.time_zone)
    return {name: str(value) for name, value in values.items()}


_USUAL = _values_of(JobDraft(group_id=0, name="", executor_handler=""))
