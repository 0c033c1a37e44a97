"""What the processes say, one line each on standard error: text for people, JSON for machines.

`set_up` leads everything to one handler at the root of standard `logging`: events
(`telemetry.py`), records of libraries, warnings, and exceptions that nobody caught, in threads too.
A `Line` is what one of them says; `text_of` and `json_of` are the two ways to write it. Neither
shows the password of an address, and in neither can a value from outside forge a line.

The log of a run is another thing: `worker/runlog.py`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from . import telemetry
from .telemetry import Event, EventName

if TYPE_CHECKING:
    from sys import UnraisableHookArgs  # for the type checker only: Python has no such name

TEXT, JSON = "text", "json"
"""The forms of a line, as `BATON_LOG_FORMAT` names them."""

_BY_A_LIBRARY: EventName = "library.said"

VALUE_LIMIT_CHARS = 16_000
"""Of one value, message or trace; what is longer is cut and ends in "…"."""

_PASSWORD = re.compile(r"(://[^\s/:@'\"]*):[^\s/'\"]+@")
_OF_A_RUN = ("job_id", "log_id")
"""Facts that stand beside the event, not among its fields: people look for them across processes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a process says."""

    at_s: float
    """Wall clock."""
    level: str
    event: EventName
    role: str
    """As in the Procfile."""
    process: str
    """What tells it from others of its role: an executor by its id."""
    pid: int
    facts: Mapping[str, object] = field(default_factory=dict)
    message: str = ""
    """The words of a library, which is no event of ours."""
    trace: str = ""


def set_up(role: str, level: str = "INFO", form: str = TEXT) -> None:
    """Send what this process says to standard error; of libraries, what is a warning or worse."""
    handler = _Handler(role, form)
    root = logging.getLogger()
    root.handlers[:] = [*(each for each in root.handlers if not isinstance(each, _Handler)), handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    logging.getLogger("baton").setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def known_as(name: str) -> None:
    """From now on, say under which name others know this process."""
    for each in logging.getLogger().handlers:
        if isinstance(each, _Handler):
            each.process = name


def process_name() -> str:
    """Under which name others know this process; its host and process id until it has another."""
    named = (each.process for each in logging.getLogger().handlers if isinstance(each, _Handler))
    return next(named, "") or f"{socket.gethostname()}-{os.getpid()}"


def form() -> str:
    """How this process writes its lines; text until it is set up."""
    return next((each.form for each in logging.getLogger().handlers if isinstance(each, _Handler)), TEXT)


def written(line: Line, form: str) -> str:
    """The line in this form, without its end; a trace makes several of a text."""
    return masked(json_of(line) if form == JSON else text_of(line))


def text_of(line: Line) -> str:
    """For people: aligned, and what does not fit on one line indented below it."""
    event = _cut(str(Event(line.event, line.facts)))
    first, *others = _cut(line.message).splitlines() or [""]
    head = f"{_time(line.at_s)} {line.level:<7} {line.role:<10} {event} {_plain(first)}".rstrip()
    return "\n  ".join([head, *map(_plain, [*others, *_cut(line.trace).splitlines()])])


def json_of(line: Line) -> str:
    """For machines: one object, whatever is in it."""
    told = {
        "time": _time(line.at_s),
        "level": line.level,
        "event": line.event,
        "role": line.role,
        "process": line.process,
        "pid": line.pid,
        **{name: _plain_value(line.facts[name]) for name in _OF_A_RUN if name in line.facts},
        "fields": {name: _plain_value(value) for name, value in line.facts.items() if name not in _OF_A_RUN},
        "message": _cut(line.message),
        "exception": _cut(line.trace),
    }
    kept = {name: value for name, value in told.items() if value not in ("", {})}
    return json.dumps(kept, ensure_ascii=False)


def masked(text: str) -> str:
    """`text` without the passwords of the addresses in it."""
    return _PASSWORD.sub(r"\1:***@", text) if "://" in text else text


def _time(at_s: float) -> str:
    """ISO 8601, UTC, milliseconds."""
    whole_s, ms = divmod(int(at_s * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole_s))}.{ms:03d}Z"


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_LIMIT_CHARS else text[:VALUE_LIMIT_CHARS] + "…"


def _plain(text: str) -> str:
    """On one line, with control characters as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _plain_value(value: object) -> object:
    """As JSON has it: numbers stay numbers, what it does not know becomes text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_value(each) for each in value]
    # a lone surrogate has no UTF-8
    return _cut(str(value)).encode("utf-8", "backslashreplace").decode()


class _Handler(logging.Handler):
    """Writes every record to standard error."""

    def __init__(self, role: str, form: str) -> None:
        super().__init__()
        self.form = form
        self.process = ""
        self._role = role

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(written(self._line_of(record), self.form) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)

    def _line_of(self, record: logging.LogRecord) -> Line:
        error = record.exc_info[1] if record.exc_info else None
        said: object = record.msg
        is_ours = isinstance(said, Event)
        if not isinstance(said, Event):
            said = Event(_BY_A_LIBRARY, {"logger": record.name, "at": f"{record.filename}:{record.lineno}"})
        return Line(
            at_s=record.created,
            level=record.levelname,
            event=said.name,
            role=self._role,
            process=process_name(),
            pid=os.getpid(),
            facts=said.facts,
            message="" if is_ours else record.getMessage().strip(),
            trace="".join(traceback.format_exception(error)).rstrip() if error else "",
        )


def _uncaught(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        telemetry.problem("process.failed", error)
    else:  # KeyboardInterrupt: a person knows why
        sys.__excepthook__(kind, error, _trace)


def _uncaught_in_thread(said: threading.ExceptHookArgs) -> None:
    if said.exc_value is not None and not isinstance(said.exc_value, SystemExit):
        telemetry.problem("thread.failed", said.exc_value, thread=said.thread.name if said.thread else "")


def _unraisable(said: UnraisableHookArgs) -> None:
    if said.exc_value is not None:
        telemetry.problem("exception.ignored", said.exc_value, within=repr(said.object))
