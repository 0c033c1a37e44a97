"""django-celery-beat: its tables, as `manage.py dumpdata django_celery_beat` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import InputError
from . import ForeignJob, NotTaken, Reading, read_each
from .celery_task import Task, Timing, crontab, every, job_of

_APP = "django_celery_beat."
_TASK = "periodictask"
_KINDS = {
    "interval": "intervalschedule",
    "crontab": "crontabschedule",
    "solar": "solarschedule",
    "clocked": "clockedschedule",
}
"""Field of a task -> the table of the schedule it refers to."""
_NOT_TAKEN = ("exchange", "routing_key", "headers", "priority", "start_time")

_Tables = Mapping[tuple[str, Any], Mapping[str, Any]]
"""(table, primary key) -> fields of the row."""


def read(text: str) -> Reading:
    """Read a fixture; raises `InputError` if it is none."""
    tables = _tables(text)
    tasks = [(f"task {key}", fields) for (table, key), fields in tables.items() if table == _TASK]
    return read_each(tasks, lambda task: task[0], lambda task: _job(*task, tables))


def _tables(text: str) -> _Tables:
    try:
        rows = json.loads(text)
        return {
            (row["model"].removeprefix(_APP), row["pk"]): row["fields"]
            for row in rows
            if row["model"].startswith(_APP) and isinstance(row["fields"], dict)
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise InputError(f"it is no fixture of dumpdata django_celery_beat: {problem!r:.80}") from None


def _job(place: str, fields: Mapping[str, Any], tables: _Tables) -> ForeignJob:
    if not isinstance(fields.get("task"), str) or not isinstance(fields.get("name"), str):
        raise InputError("it has no name or names no task")
    task = Task(
        fields["name"],
        fields["task"],
        _arguments(fields, "args", "[]"),
        _arguments(fields, "kwargs", "{}"),
        queue=str(fields.get("queue") or ""),
        expires_s=int(fields.get("expire_seconds") or 0),
        description=str(fields.get("description") or ""),
        is_active=bool(fields.get("enabled", True)),
        hindrances=tuple(_hindrances(fields)),
        notes=tuple(f"its {each} is not taken over" for each in _NOT_TAKEN if fields.get(each) not in _EMPTY),
    )
    return job_of(place, task, _timing(fields, tables))


_EMPTY = (None, "", "{}")


def _arguments(fields: Mapping[str, Any], name: str, nothing: str) -> Any:
    try:
        return json.loads(fields.get(name) or nothing)
    except (ValueError, TypeError, RecursionError):
        raise InputError(f"its {name} {fields[name]!r:.60} are not JSON") from None


def _hindrances(fields: Mapping[str, Any]) -> Iterator[str]:
    if fields.get("one_off") and not fields.get("clocked"):
        yield "it runs once there, and each time here: stop it by hand, or give it one moment"
    if fields.get("expires"):
        yield f"it ends at {fields['expires']} there: give the job that end"


def _timing(fields: Mapping[str, Any], tables: _Tables) -> Timing:
    kind = next((each for each in _KINDS if fields.get(each) is not None), "")
    if not kind:
        raise InputError("it has no schedule")
    schedule = tables.get((_KINDS[kind], _hashable(fields[kind])))
    if schedule is None:
        raise InputError(
            f"its {kind} {fields[kind]!r} is not in the fixture: dump all tables of django_celery_beat"
        )
    if kind == "crontab":
        return crontab(schedule, str(schedule.get("timezone") or "UTC"))
    if kind == "interval":
        return every(_period(schedule))
    if kind == "clocked":
        moment = _moment(schedule.get("clocked_time"))
        return Timing(f"clocked({moment} UTC)", {"once": moment, "zone": "UTC"})
    raise NotTaken(f"it follows the sun ({schedule.get('event')}), which no schedule here does")


def _hashable(key: Any) -> Any:
    return key if isinstance(key, int | str) else str(key)  # a natural key is a list, and no row has it


def _period(schedule: Mapping[str, Any]) -> timedelta:
    try:
        return timedelta(**{str(schedule["period"]): schedule["every"]})
    except (KeyError, TypeError, OverflowError):
        raise InputError(f"its interval {dict(schedule)!r:.60} is not known") from None


def _moment(text: Any) -> str:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise InputError(f"its clocked_time {text!r:.40} is no moment") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
