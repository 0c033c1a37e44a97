"""Celery beat: the entries of a `beat_schedule`, known by what they look like, without Celery itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ..errors import InputError
from . import ForeignJob, NotTaken, Reading, read_each
from .celery_task import Task, Timing, crontab, every, job_of

_TAKEN = frozenset({"queue", "expires"})
_CRONTAB = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


def read(beat_schedule: Mapping[str, Any], *, zone: str) -> Reading:
    """Read it. `zone` is that of the Celery app, which its crontabs follow."""
    return read_each(
        beat_schedule.items(), _place, lambda item: _job(_place(item), str(item[0]), item[1], zone)
    )


def _place(item: tuple[str, Any]) -> str:
    return f"entry {str(item[0])!r}"


def _job(place: str, name: str, entry: Any, zone: str) -> ForeignJob:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("task"), str) or "schedule" not in entry:
        raise InputError("it is no mapping with a task and a schedule")
    options = entry.get("options") or {}
    task = Task(
        name,
        entry["task"],
        entry.get("args") or (),
        entry.get("kwargs") or {},
        queue=str(options.get("queue") or ""),
        expires_s=_seconds(options.get("expires")),
        notes=tuple(_notes(entry, options)),
    )
    return job_of(place, task, _timing(entry["schedule"], zone))


def _timing(schedule: Any, zone: str) -> Timing:
    if isinstance(schedule, int | float) and not isinstance(schedule, bool):
        return every(timedelta(seconds=schedule))
    if isinstance(schedule, timedelta):
        return every(schedule)
    if all(hasattr(schedule, f"_orig_{field}") for field in _CRONTAB):
        # what was written; the attributes without the prefix hold every single value
        return crontab({field: getattr(schedule, f"_orig_{field}") for field in _CRONTAB}, zone)
    if all(hasattr(schedule, field) for field in ("event", "lat", "lon")):
        raise NotTaken(f"it follows the sun ({schedule.event}), which no schedule here does")
    if isinstance(period := getattr(schedule, "run_every", None), timedelta):
        return every(period)
    raise InputError(f"its schedule is a {type(schedule).__name__}, which is not known")


def _seconds(expires: Any) -> int:
    if isinstance(expires, timedelta):
        expires = expires.total_seconds()
    return round(expires) if isinstance(expires, int | float) else 0


def _notes(entry: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    if options.get("expires") and not _seconds(options["expires"]):
        yield f"its expires, {options['expires']}, is not taken over: it is no number of seconds"
    for each in sorted(options.keys() - _TAKEN):
        yield f"its option {each} is not taken over"
    if entry.get("relative"):
        yield "relative: its rate counts from when the job is started, not from the full hour"
