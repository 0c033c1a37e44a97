"""Declared jobs: what code or a file says a job is, read and compared with what is stored. Pure.

A declaration names some fields of a job; the others stay as people leave them. What was applied last
is kept with the job, so that three things can be told apart: the declaration changed, an operator
edited the job, or both.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from .children import read_ids
from .errors import InputError, ScheduleError
from .messages import check_param
from .rq_target import read_target
from .schedule import Schedule, check
from .script_source import check_source, in_short
from .vocabulary import (
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
)

FROM_CODE, FROM_FILE, FROM_IMPORT = "code", "file", "import"
KEY_LIMIT = 120
APP_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What an executor group may be called."""

SCHEDULES = {
    "cron": ScheduleType.CRON,
    "every": ScheduleType.FIX_RATE,
    "delay": ScheduleType.FIX_DELAY,
    "once": ScheduleType.ONCE,
}
"""Short words for a schedule: `cron="30 8 * * *"`, `every=60`, `delay=60`, `once="2027-01-31T08:30"`."""
SHORT = {
    "handler": "executor_handler",
    "param": "executor_param",
    "timeout": "executor_timeout",
    "retries": "executor_fail_retry_count",
    "zone": "time_zone",
    "children": "child_job_ids",
    "group": "app_name",
}
_WORDS: dict[str, type[StrEnum]] = {
    "misfire_strategy": MisfireStrategy,
    "route_strategy": RouteStrategy,
    "block_strategy": BlockStrategy,
    "serial_scope": SerialScope,
    "retry_backoff": RetryBackoff,
    "on_lost": OnLost,
    "on_lateness": OnLateness,
    "dst_gap": DstGap,
    "dst_fold": DstFold,
    "glue_type": GlueType,
}
_NUMBERS: dict[str, tuple[int, int]] = {
    "executor_timeout": (0, 30 * 86_400),
    "executor_fail_retry_count": (0, 100),
    "retry_delay_s": (0, 86_400),
    "retry_delay_max_s": (0, 86_400),
    "jitter_s": (0, 3600),
    "max_catchup": (1, 1000),
    "catchup_window_s": (0, 30 * 86_400),
    "start_deadline_s": (0, 7 * 86_400),
    "late_after_s": (0, 7 * 86_400),
    "max_concurrency": (1, 1000),
    "max_queue": (0, 1_000_000),
    "priority": (0, 9),
}
_TEXTS = {
    "name": 128,
    "description": 4000,
    "author": 64,
    "executor_handler": 128,
    "executor_param": 65_536,
    "time_zone": 64,
    "executor_tag": 32,
    "child_job_ids": 255,
    "app_name": 64,
}
_SCHEDULE_LIMIT = 256
STOPPED = "stopped"
"""Whether a new job waits for a person to start it; one that is there is not touched."""
OF_FILES = frozenset({"glue_type", "glue_source", STOPPED})
"""What `@job` may not say: it declares a function and no script, and new code is meant to run."""
CHILD_NAMES = "child_names"
"""In place of ids, names of children that are declared in the same place: ids come when they are made."""
CHANNELS = "alarm_channels"
"""Names of channels. People know them by these, jobs by their ids: `store/declared.py` looks them up."""
_SWITCHES = frozenset(["retry_refused", "alarms_only_chosen"])
NAMES = frozenset(
    {*SCHEDULES, *SHORT, *_WORDS, *_NUMBERS, *_TEXTS, *_SWITCHES, CHANNELS} - {"app_name"} - OF_FILES
)
"""What every declaration may say; `@job` knows the same words."""
SCRIPT = "script"
"""In place of a source, what tells it from others: the source itself is kept with its history."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One job as code or a file says it is."""

    key: str
    """`code:<group>/<handler>`, `file:<name>` or `import:<source>/<name>`."""
    group: str
    """The app name of its executor group, or of the one it begins in if it does not say."""
    values: Mapping[str, Any]
    """Column of the job -> declared value; only what was said."""
    source: str = ""
    """The script, if it has one."""
    is_stopped: bool = False
    """A new job waits for a person to start it."""
    children: tuple[str, ...] = ()
    """Keys of the declared jobs that its success triggers."""

    def to_json(self) -> str:
        """As it is kept with the job."""
        return json.dumps(dict(self.values), ensure_ascii=False, sort_keys=True)


def read_all(source: str, jobs: Mapping[str, Any], default_group: str) -> list[Declaration]:
    """Read declarations by name; raises `InputError` with all problems at once."""
    read: list[Declaration] = []
    problems: list[str] = []
    for name, said in jobs.items():
        try:
            read.append(_read(source, str(name), said, default_group, problems))
        except InputError as problem:
            problems.append(f"job {str(name)!r}: {problem}")
    if problems:
        raise InputError(*problems)
    return read


def _read(source: str, name: str, said: Any, default_group: str, problems: list[str]) -> Declaration:
    if not isinstance(said, Mapping):
        raise InputError("a job is a list of fields, as cron: '30 8 * * *'")
    if not 0 < len(name) <= KEY_LIMIT or not name.isprintable():
        raise InputError(f"a name has 1 to {KEY_LIMIT} printable characters")
    values: dict[str, Any] = {"name": name, "executor_handler": name}
    for field, value in said.items():
        try:
            values |= _value(source, str(field), value)
        except InputError as problem:
            problems.append(f"job {name!r}: {problem}")
    if len(schedules := [field for field in said if field in SCHEDULES]) > 1:
        raise InputError(f"it has {' and '.join(schedules)}; a job has one schedule")
    _check_schedule(values)
    script = _take_script(values, said)
    is_stopped = bool(values.pop(STOPPED, False))
    group = str(values.get("app_name", default_group))
    if group and not APP_NAME.fullmatch(group):
        raise InputError(f"group is {group[:64]!r}; it has 1 to 64 letters, digits, '-', '_' and '.'")
    place = f"{source}:{group}/" if source == FROM_CODE else f"{source}:"
    children = tuple(f"{place}{child}" for child in values.pop(CHILD_NAMES, ()))
    return Declaration(f"{place}{name}", group, values, script, is_stopped, children)


def _take_script(values: dict[str, Any], said: Mapping[str, Any]) -> str:
    """The source out of the values; raises `InputError` where it does not go with the rest."""
    source = str(values.pop("glue_source", ""))
    kind = GlueType(values.get("glue_type", GlueType.BEAN))
    if source and not kind.is_script:
        raise InputError("it has a script; say what runs it, as glue_type: GLUE_SHELL")
    if kind.is_script:
        if "handler" in said or "executor_handler" in said:
            raise InputError("it has a script and a handler; a job runs one of them")
        values["executor_handler"] = ""
    elif kind is GlueType.RQ:
        read_target(values["executor_handler"])
    if source:
        values[SCRIPT] = in_short(source)
    return source


def _value(source: str, field: str, value: Any) -> dict[str, Any]:
    known = sorted(NAMES if source == FROM_CODE else NAMES | OF_FILES)
    if field not in known:
        nearest = difflib.get_close_matches(field, known, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; there are: {', '.join(known)}"
        raise InputError(f"there is no field {field!r}{hint}")
    if value is None:
        raise InputError(f"{field} has no value; give one, or leave it out")
    if field in SCHEDULES:
        return {"schedule_type": SCHEDULES[field].value, "schedule_conf": _text(field, field, value)}
    if field == "glue_source":
        if not isinstance(value, str):
            raise InputError(f"{field} is {value!r}; give text, or the name of a file as script_file")
        return {field: check_source(value)}
    column = SHORT.get(field, field)
    if column in _WORDS:
        words = list(_WORDS[column])
        if value not in words:
            raise InputError(f"{field} is {value!r}; use one of {', '.join(words)}")
        return {column: str(value)}
    if column in _NUMBERS:
        least, most = _NUMBERS[column]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(f"{field} is {value!r}; give a whole number from {least} to {most:,}")
        return {column: value}
    if column == CHANNELS:
        return {column: _names_in(field, value, "channels")}
    if column == "child_job_ids" and _is_list(value) and any(_is_name(each) for each in value):
        return {CHILD_NAMES: _names_in(field, value, "jobs")}
    if column in _SWITCHES or column == STOPPED:
        if not isinstance(value, bool):
            raise InputError(f"{field} is {value!r}; it is true or false")
        return {column: value}
    return {column: _text(field, column, value)}


def _text(field: str, column: str, value: Any) -> str:
    if column == "executor_param":
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        check_param(text)
        return text
    if column == "child_job_ids":
        value = ",".join(map(str, read_ids(",".join(map(str, value)) if _is_list(value) else str(value))))
    if isinstance(value, (bool, Mapping)) or _is_list(value):
        raise InputError(f"{field} is {value!r}; give text, in quotes where need be")
    text = str(value)
    most = _TEXTS.get(column, _SCHEDULE_LIMIT)
    if len(text) > most:
        raise InputError(f"{field} has {len(text):,} characters; at most {most:,} fit")
    if "\x00" in text:
        raise InputError(f"{field} has a zero byte in it, which no database keeps")
    return text


def _is_name(child: Any) -> bool:
    return isinstance(child, str) and not child.strip().isdigit()


def _names_in(field: str, value: Any, things: str) -> list[str]:
    names = list(value) if _is_list(value) else [value]
    if not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{field} is {value!r}; give the names of {things}, as [ops, mail to finance]")
    return list(dict.fromkeys(names))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _check_schedule(values: Mapping[str, Any]) -> None:
    try:
        check(schedule_of(values))
    except ScheduleError as problem:
        raise InputError(str(problem)) from None


def with_children(declarations: Sequence[Declaration], ids: Mapping[str, int]) -> list[Declaration]:
    """The same, with the ids of children that are named, where all of them are made already.

    `ids` are those of declared jobs by their keys. Raises `InputError` for names that nothing declares.
    """
    known = {each.key for each in declarations} | ids.keys()
    problems = [
        f"{each.key}: there is no {child} to be its child"
        for each in declarations
        for child in each.children
        if child not in known
    ]
    if problems:
        raise InputError(*problems)
    return [_with_child_ids(each, ids) for each in declarations]


def _with_child_ids(declaration: Declaration, ids: Mapping[str, int]) -> Declaration:
    if not declaration.children or not ids.keys() >= set(declaration.children):
        return declaration
    joined = ",".join(str(ids[child]) for child in declaration.children)
    if len(joined) > _TEXTS["child_job_ids"]:
        raise InputError(f"{declaration.key}: it has {len(declaration.children)} children, which is too many")
    return replace(declaration, values={**declaration.values, "child_job_ids": joined})


def schedule_of(values: Mapping[str, Any]) -> Schedule:
    """When a new job of these values fires."""
    return Schedule(
        values.get("schedule_type", ScheduleType.NONE),
        values.get("schedule_conf", ""),
        values.get("time_zone", "UTC"),
    )


# compared with what is stored


class Change(StrEnum):
    """What applying a declaration would do."""

    NEW = "new"
    CHANGED = "changed"
    EDITED = "edited"
    """An operator edited the job; the declaration did not change, so the edit stays."""
    UNCHANGED = "unchanged"
    GONE = "gone"
    """Its declaration is not there any more."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is not as declared."""

    field: str
    stored: Any
    declared: Any
    is_edit: bool
    """An operator wrote what is stored."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One declaration against its job."""

    change: Change
    key: str
    job_id: int | None
    declaration: Declaration | None
    fields: tuple[FieldChange, ...] = ()
    dropped: tuple[str, ...] = ()
    """Fields it does not speak of any more; they stay as they are."""


class Stored(Protocol):
    """A job that was declared."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def declared_key(self) -> str | None:
        """What declares it."""

    @property
    def declared(self) -> str:
        """What was applied last (JSON)."""


def compare(
    declarations: Iterable[Declaration], stored: Iterable[Stored], sources: Iterable[str]
) -> list[Difference]:
    """What applying would do, in the order of the declarations; then what is gone from `sources`."""
    by_key = {job.declared_key: job for job in stored}
    found = [_difference(each, by_key.pop(each.key, None)) for each in declarations]
    gone = [
        Difference(Change.GONE, key, job.id, None)
        for key, job in sorted(by_key.items(), key=lambda item: str(item[0]))
        if key is not None and key.startswith(tuple(sources))
    ]
    return found + gone


def _difference(declaration: Declaration, job: Stored | None) -> Difference:
    if job is None:
        news = tuple(FieldChange(name, None, value, False) for name, value in declaration.values.items())
        return Difference(Change.NEW, declaration.key, None, declaration, news)
    before = json.loads(job.declared or "{}")
    differing = tuple(
        FieldChange(name, getattr(job, name), value, name in before and getattr(job, name) != before[name])
        for name, value in declaration.values.items()
        if getattr(job, name) != value
    )
    if declaration.to_json() != job.declared:
        change = Change.CHANGED
    else:
        change = Change.EDITED if differing else Change.UNCHANGED
    dropped = tuple(sorted(before.keys() - declaration.values.keys()))
    return Difference(change, declaration.key, job.id, declaration, differing, dropped)


def differs_from_declared(job: Stored) -> tuple[FieldChange, ...]:
    """What an operator changed since the declaration of this job was applied."""
    if not job.declared_key:
        return ()
    declared: dict[str, Any] = json.loads(job.declared or "{}")
    declared.pop(SCRIPT, None)  # `has_other_script` looks at it
    return tuple(
        FieldChange(name, getattr(job, name), value, True)
        for name, value in declared.items()
        if getattr(job, name) != value
    )


def has_other_script(job: Stored, source: str) -> bool:
    """Whether an operator changed the script since the declaration of this job was applied."""
    if not job.declared_key:
        return False
    declared = json.loads(job.declared or "{}").get(SCRIPT)
    return declared is not None and declared != in_short(source)
