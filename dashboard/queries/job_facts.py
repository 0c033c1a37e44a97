"""What a job says beyond the everyday, in words: only what is not as most jobs have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from baton.store.jobs import JobDraft, JobView
from baton.vocabulary import (
    BlockStrategy,
    DstFold,
    DstGap,
    MisfireStrategy,
    RetryBackoff,
    RouteStrategy,
    ScheduleType,
    SerialScope,
)

from ..filters import label, seconds, wall

_USUAL_PRIORITY = {field.name: field.default for field in fields(JobDraft)}["priority"]
_BY_THE_CLOCK = (ScheduleType.CRON, ScheduleType.ONCE)
"""Whether a clock skips or repeats an hour does not matter to intervals."""


@dataclass(frozen=True, slots=True)
class JobFact:
    """One fact, as a list of facts shows it."""

    name: str
    text: str


def of_schedule(job: JobView, calendar_names: Mapping[int, str]) -> list[JobFact]:
    """When exactly it fires."""
    if job.schedule_type == ScheduleType.NONE:
        return []
    return [*_bounds(job), *_exceptions(job, calendar_names)]


def of_running(job: JobView) -> list[JobFact]:
    """Where it runs, and what happens when several of its triggers are there."""
    return [*_place(job), *_line(job)]


def while_it_runs(job: JobView) -> str:
    """Its block strategy with the limit and the scope that belong to it."""
    text = label(job.block_strategy)
    if job.block_strategy == BlockStrategy.PARALLEL:
        text += f", at most {job.max_concurrency} at a time"
    if job.serial_scope == SerialScope.JOB:
        text += ", counted across all executors"
    return text


def missed(job: JobView) -> str:
    """Its misfire strategy with the limits that belong to it."""
    text = label(job.misfire_strategy)
    if job.misfire_strategy == MisfireStrategy.FIRE_ALL:
        text += f": the newest {job.max_catchup:,}, of the last {seconds(job.catchup_window_s)}"
    return text


def retries(job: JobView) -> str:
    """How often it is tried again, and after which pause."""
    count = job.executor_fail_retry_count
    text = str(count)
    if count and job.retry_delay_s:
        text += f", after {seconds(job.retry_delay_s)}"
        if job.retry_backoff == RetryBackoff.EXPONENTIAL:
            text += f" that double up to {seconds(job.retry_delay_max_s)}"
    return text + (", discarded and covered runs too" if job.retry_refused else "")


def in_brief(job: JobView, calendar_names: Mapping[int, str]) -> str:
    """For a row of a list: what one would wonder about when it is not said."""
    parts: list[str] = []
    if job.schedule_type != ScheduleType.NONE:
        if job.start_at:
            parts.append(f"from {_day(job.start_at, job)}")
        if job.end_at:
            parts.append(f"until {_day(job.end_at, job)}")
        if job.calendar_id is not None:
            parts.append(f"without {calendar_names.get(job.calendar_id, 'a deleted calendar')}")
    if job.route_strategy != RouteStrategy.ANY:
        parts.append(label(job.route_strategy).lower())
    if job.executor_tag:
        parts.append(f"on {job.executor_tag}")
    return " · ".join(parts)


def _day(ms: int, job: JobView) -> str:
    return re.search(r"\d{4}-\d\d-\d\d", wall(ms, job.time_zone))[0]  # type: ignore[index]


def _bounds(job: JobView) -> Iterator[JobFact]:
    if job.start_at:
        yield JobFact("Not before", f"{wall(job.start_at, job.time_zone)} in {job.time_zone}")
    if job.end_at:
        yield JobFact("Not after", f"{wall(job.end_at, job.time_zone)} in {job.time_zone}")


def _exceptions(job: JobView, calendar_names: Mapping[int, str]) -> Iterator[JobFact]:
    if job.calendar_id is not None:
        yield JobFact("Leaves out", calendar_names.get(job.calendar_id, "a calendar that was deleted"))
    if job.jitter_s:
        yield JobFact("Jitter", f"up to {seconds(job.jitter_s)} later")
    if job.start_deadline_s:
        yield JobFact("Start deadline", f"{seconds(job.start_deadline_s)}; what has not begun then expires")
    if job.schedule_type in _BY_THE_CLOCK and job.dst_gap == DstGap.SKIP:
        yield JobFact("Skipped hour", "does not run that day")
    if job.schedule_type in _BY_THE_CLOCK and job.dst_fold == DstFold.BOTH:
        yield JobFact("Repeated hour", "runs both times")


def _place(job: JobView) -> Iterator[JobFact]:
    if job.route_strategy != RouteStrategy.ANY:
        yield JobFact("Route", label(job.route_strategy))
    if job.executor_tag:
        yield JobFact("Executors", f"only those tagged {job.executor_tag}")


def _line(job: JobView) -> Iterator[JobFact]:
    if job.max_queue:
        yield JobFact("Waiting at most", f"{job.max_queue:,}; a further trigger is discarded")
    if job.priority != _USUAL_PRIORITY:
        yield JobFact("Priority", f"{job.priority}; most jobs have {_USUAL_PRIORITY}, 9 is served first")
