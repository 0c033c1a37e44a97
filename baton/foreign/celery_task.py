"""What a periodic task of Celery becomes, wherever it was written down: a job of the handler of its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..errors import InputError
from . import ForeignJob, NotTaken
from .arguments import check_kinds, check_plain

_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_OF_CELERY = "celery."
"""Tasks that Celery brings along, such as celery.backend_cleanup."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a task runs."""

    expression: str
    """In the words of Celery."""
    said: Mapping[str, Any]
    hindrance: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One entry, as all its forms have it."""

    name: str
    task: str
    args: Any = ()
    kwargs: Any = field(default_factory=dict)
    queue: str = ""
    expires_s: int = 0
    """A call that nobody took so many seconds later is not made; 0: never."""
    description: str = ""
    is_active: bool = True
    hindrances: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def job_of(place: str, task: Task, timing: Timing) -> ForeignJob:
    """Both in the words of a declaration; raises `InputError`."""
    if task.task.startswith(_OF_CELERY):
        raise NotTaken(f"{task.task} looks after Celery itself")
    said: dict[str, Any] = {"name": task.name, "handler": task.task, **timing.said}
    if given := _given(task):
        check_plain(task.task, given)
        said["param"] = given
    if task.expires_s:
        said["start_deadline_s"] = task.expires_s
    if task.description:
        said["description"] = task.description
    to_queue = (
        [f"it goes to queue {task.queue}: choose the group whose executors have its handler"]
        if task.queue
        else []
    )
    hindrances = [each for each in (timing.hindrance, *task.hindrances) if each]
    return ForeignJob(
        task.name,
        place,
        timing.expression,
        said,
        is_active=task.is_active,
        hindrance="; ".join(hindrances),
        notes=(*to_queue, *task.notes),
    )


def _given(task: Task) -> Any:
    """A list for arguments in order, an object for those by name, an object of the two for both."""
    check_kinds(task.task, task.args, task.kwargs)
    if task.args and task.kwargs:
        return {"args": list(task.args), "kwargs": task.kwargs}
    return task.kwargs or list(task.args)


def crontab(fields: Mapping[str, Any], zone: str) -> Timing:
    """A crontab schedule: its fields by Celery's names, each a text, a number or numbers."""
    parts = [_part(fields.get(name, "*")) for name in _FIELDS]
    day, weekday = parts[2], parts[4]
    hindrance = ""
    if day != "*" and weekday != "*":
        hindrance = (
            f"Celery runs it on days that day {day!r} and weekday {weekday!r} both name; here either of them "
            "is enough. Let the handler look at one of them"
        )
    return Timing(
        f"crontab({' '.join(parts)})",
        {"cron": " ".join(parts), "zone": zone},
        hindrance,
    )


def _part(value: Any) -> str:
    if isinstance(value, str):
        return "".join(value.split())
    if isinstance(value, Iterable):
        return ",".join(str(each) for each in sorted(value))
    return str(value)


def every(period: timedelta) -> Timing:
    """A fixed rate; raises `InputError` for parts of a second."""
    seconds = period.total_seconds()
    if seconds < 1 or seconds != int(seconds):
        raise InputError(f"it runs every {seconds:g} s: here a rate is whole seconds, from 1 on")
    return Timing(f"every {seconds:.0f} s", {"every": int(seconds)})
