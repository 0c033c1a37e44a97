"""XXL-JOB: the tables `xxl_job_group` and `xxl_job_info` out of a dump of its database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..children import find_cycle, read_ids
from ..errors import InputError
from ..schedule.cron import is_quartz
from ..vocabulary import GlueType, ScheduleType
from . import ForeignJob, Left, Reading, read_each, sql_inserts
from .sql_inserts import BadRow, Literal, Row

_GROUPS, _JOBS = "xxl_job_group", "xxl_job_info"
_COLUMNS = {
    _GROUPS: ("id", "app_name", "title", "address_type", "address_list", "update_time"),
    _JOBS: (
        "id", "job_group", "job_desc", "add_time", "update_time", "author", "alarm_email",
        "schedule_type", "schedule_conf", "misfire_strategy",
        "executor_route_strategy", "executor_handler", "executor_param", "executor_block_strategy",
        "executor_timeout", "executor_fail_retry_count",
        "glue_type", "glue_source", "glue_remark", "glue_updatetime",
        "child_jobid", "trigger_status", "trigger_last_time", "trigger_next_time",
    ),
}  # fmt: skip
"""Of versions 2.3 to 3.x, for a dump that neither lists columns nor has CREATE TABLE."""
_SAME_WORDS = {
    "misfire_strategy": "misfire_strategy",
    "executor_route_strategy": "route_strategy",
    "executor_block_strategy": "block_strategy",
}
_PYTHON_2 = "GLUE_PYTHON2"
_NAME_CHARS, _TITLE_CHARS = 128, 64


def read(dump: str, *, zone: str) -> Reading:
    """Read a dump. `zone` is where the clock of its admin hangs: all its schedules follow that one."""
    found = list(sql_inserts.read(dump, _COLUMNS))
    bad = [Left(f"line {row.line}", row.reason, is_problem=True) for row in found if isinstance(row, BadRow)]
    rows = [row for row in found if isinstance(row, Row)]
    titles = {
        _text(row.values, "id"): (_text(row.values, "app_name"), _text(row.values, "title"))
        for row in rows
        if row.table == _GROUPS
    }
    reading = read_each(
        [row for row in rows if row.table == _JOBS], _place, lambda row: _job(row, titles, zone)
    )
    return Reading(
        tuple(_without_circles(reading.jobs)),
        (*bad, *reading.left),
        {app_name: title[:_TITLE_CHARS] for app_name, title in titles.values()},
    )


def _place(row: Row) -> str:
    return f"line {row.line}, job {row.values.get('id')}"


def _job(row: Row, groups: Mapping[str, tuple[str, str]], zone: str) -> ForeignJob:
    values, key = row.values, _text(row.values, "id")
    if not key.isdecimal():
        raise InputError(f"its id {key[:40]!r} is not a number")
    group, _ = groups.get(_text(values, "job_group"), ("", ""))
    if not group:
        raise InputError(f"its group {values.get('job_group')!r} is not in {_GROUPS}: dump that table too")
    schedule, expression = _schedule(values, zone)
    said: dict[str, Any] = {
        "name": _text(values, "job_desc")[:_NAME_CHARS] or f"XXL-JOB {key}",
        "group": group,
        **schedule,
        **{ours: word for theirs, ours in _SAME_WORDS.items() if (word := _text(values, theirs))},
        **{field: text for field, text in _texts(values) if text},
        **{field: number for field, number in _numbers(values) if number},
        **_what_runs(values),
    }
    children = tuple(str(child) for child in read_ids(_text(values, "child_jobid")) if str(child) != key)
    return ForeignJob(
        key,
        _place(row),
        expression,
        said,
        is_active=_number(values, "trigger_status") == 1,
        hindrance=_hindrance(values),
        notes=tuple(_notes(values)),
        children=children,
    )


def _schedule(values: Mapping[str, Literal], zone: str) -> tuple[dict[str, Any], str]:
    """As a declaration says it, and as XXL-JOB does."""
    if "schedule_type" not in values:  # before version 2.3
        kind, conf = ScheduleType.CRON.value, _text(values, "job_cron")
    else:
        kind, conf = _text(values, "schedule_type"), _text(values, "schedule_conf")
    conf = conf.strip()
    if kind == ScheduleType.CRON:
        if not is_quartz(conf):
            raise InputError(f"its expression {conf!r} has too few fields: XXL-JOB's begin with the seconds")
        return {"cron": conf, "zone": zone}, conf
    if kind in {ScheduleType.FIX_RATE, ScheduleType.FIX_DELAY}:
        return {"every" if kind == ScheduleType.FIX_RATE else "delay": conf}, f"{kind} {conf}"
    if kind in {ScheduleType.NONE, ""}:
        return {}, "NONE"
    raise InputError(f"its schedule type {kind!r} is not known; there are CRON, FIX_RATE and NONE")


def _texts(values: Mapping[str, Literal]) -> Iterator[tuple[str, str]]:
    yield "author", _text(values, "author")
    yield "param", _text(values, "executor_param")
    mail, remark = _text(values, "alarm_email"), _text(values, "glue_remark")
    facts = [f"Job {_text(values, 'id')} of XXL-JOB."]
    facts += [f"Alarms went to {mail}."] if mail else []
    facts += [f"Script: {remark}."] if remark and _text(values, "glue_source") else []
    yield "description", " ".join(facts)


def _numbers(values: Mapping[str, Literal]) -> Iterator[tuple[str, int]]:
    yield "timeout", _number(values, "executor_timeout")
    yield "retries", _number(values, "executor_fail_retry_count")


def _what_runs(values: Mapping[str, Literal]) -> dict[str, Any]:
    kind = _text(values, "glue_type") or GlueType.BEAN.value
    if kind == GlueType.BEAN:
        handler = _text(values, "executor_handler")
        if not handler:
            raise InputError("it is of type BEAN and names no handler")
        return {"handler": handler}
    known = GlueType.GLUE_PYTHON.value if kind == _PYTHON_2 else kind
    source = _text(values, "glue_source")
    return {"glue_type": known, **({"glue_source": source} if source.strip() else {})}


def _hindrance(values: Mapping[str, Literal]) -> str:
    kind = _text(values, "glue_type")
    if kind == GlueType.GLUE_GROOVY:
        return "its source is Groovy, which runs on Java executors: write a handler for it"
    if kind == _PYTHON_2:
        return "its script is for Python 2, and would run on Python 3"
    if kind.startswith("GLUE_") and not _text(values, "glue_source").strip():
        return "it has no script yet"
    return ""


def _notes(values: Mapping[str, Literal]) -> Iterator[str]:
    if mail := _text(values, "alarm_email"):
        yield f"its alarms went to {mail}: make a channel for that, and choose it in the job"


def _without_circles(jobs: Sequence[ForeignJob]) -> Iterator[ForeignJob]:
    """The same, but for children that are not there and those that lead back."""
    there = {job.key for job in jobs}
    edges: dict[int, list[int]] = {}
    for job in jobs:
        kept, notes = [], list(job.notes)
        for child in job.children:
            edges.setdefault(int(job.key), []).append(int(child))
            if child not in there:
                notes.append(f"its child {child} is not taken over")
            elif find_cycle(edges, int(job.key)):
                edges[int(job.key)].pop()
                notes.append(f"its child {child} is left out: it leads back here, for ever")
            else:
                kept.append(child)
        yield replace(job, children=tuple(kept), notes=tuple(notes))


def _text(values: Mapping[str, Literal], column: str) -> str:
    value = values.get(column)
    return "" if value is None else str(value)


def _number(values: Mapping[str, Literal], column: str) -> int:
    """A negative time-out or number of retries means none there."""
    text = _text(values, column) or "0"
    try:
        return max(0, int(text))
    except ValueError:
        raise InputError(f"its {column} {text[:40]!r} is not a whole number") from None
