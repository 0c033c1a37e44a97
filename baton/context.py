"""What a handler knows of its run, and how it says how far it is and how it ended.

`get_context()` finds the run by a context variable. Coroutines and tasks have it by themselves, and
`asyncio.to_thread` hands it on; `threads.py` does the same for threads and thread pools, which
Python starts with an empty context. Code that none of them reaches (a thread that was there before
the run, or one that a C library started) belongs to the one run of its process, where there is only
one; among several it is told that nobody can know.
"""

from __future__ import annotations

import contextvars
import json
import math
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .vocabulary import HandleCode


class Cancelled(BaseException):
    """Raised inside a handler whose run was killed or timed out.

    Not an `Exception`, so that a handler's `except Exception` does not swallow it. A handler may
    catch it to tidy up; the process is killed after the grace period in any case.
    """


class SoftTimeout(Exception):
    """Raised inside a handler some time before its run is ended by force.

    An `Exception`, raised once: a handler may catch it, save what it has, and go on until the hard stop.
    One that lets it pass fails.
    """


SOFT_TEXT = "this run has taken long enough (soft time-out)"


@dataclass(frozen=True, slots=True)
class Shard:
    """This run's part of a broadcast."""

    index: int
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, by its own word."""

    fraction: float
    """From 0 to 1."""
    note: str = ""


NOTE_LIMIT_CHARS = 200


def _unheard(_progress: Progress) -> None:
    """Nobody asked to be told of progress."""


@dataclass(slots=True)
class JobContext:
    """One run, as its handler sees it. The result is success unless the handler says otherwise."""

    job_id: int
    log_id: int
    param: str
    """The parameter, as text."""
    shard: Shard
    attempt: int
    """Counts up from 1."""
    token: int
    """Grows with every lease: hand it to what you write to, and let that refuse an older one."""
    planned_at: datetime
    """The instant the schedule named, aware, UTC."""
    deadline: datetime | None
    """When the run times out; None without a limit."""
    write_line: Callable[[str, int], None]
    report: Callable[[Progress], None] = _unheard
    handle_code: int = HandleCode.SUCCESS
    handle_msg: str = ""
    cancelled: bool = False
    """True once somebody asked this run to stop, for code that looks now and then."""
    has_ended: bool = False
    """The handler has returned: what a thread it left behind says now belongs to no run."""
    _said: bool = field(default=False)

    @property
    def json(self) -> Any:
        """The parameter read as JSON; None when it is empty. Raises ValueError when it is not JSON."""
        try:
            return json.loads(self.param) if self.param else None
        except ValueError as problem:
            shown = self.param if len(self.param) <= 80 else f"{self.param[:80]}…"
            raise ValueError(f"the parameter is not JSON ({problem}): {shown!r}") from None

    def log(self, pattern: object, *arguments: object) -> None:
        """Write a line to the run log; each `{}` in `pattern` is filled with one argument.

        An exception, as `pattern` or behind the last `{}`, is written with its traceback. After the
        end of the run nothing is written: its log is closed.
        """
        if not self.has_ended:
            self.write_line(line_of(pattern, arguments), 2)

    def progress(self, fraction: float, note: str = "") -> None:
        """Show on the page of the run how far it is, from 0 to 1; as often as you like.

        What is over or under is cut; a note has one line of up to 200 characters. Raises ValueError
        when `fraction` is no number.
        """
        share = _share(fraction)
        if not self.has_ended:
            self.report(Progress(share, " ".join(str(note).split())[:NOTE_LIMIT_CHARS]))

    def succeed(self, message: str = "") -> None:
        """End as success, with a message."""
        self._say(HandleCode.SUCCESS, message)

    def fail(self, message: str = "") -> None:
        """End as failure, with a message."""
        self._say(HandleCode.FAIL, message)

    def time_out(self, message: str = "") -> None:
        """End as timed out, with a message."""
        self._say(HandleCode.TIMEOUT, message)

    def _say(self, code: int, message: str) -> None:
        self.handle_code, self.handle_msg, self._said = code, message, True

    @property
    def has_spoken(self) -> bool:
        """Whether the handler itself said how it ended."""
        return self._said


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError(f"progress is {value!r}; allowed is a number from 0 to 1")
    return min(max(float(value), 0.0), 1.0)


def line_of(pattern: object, arguments: tuple[object, ...]) -> str:
    """`pattern` with its `{}` places filled in order, then the traces of exceptions that are left.

    More places than arguments stay as they are.
    """
    if isinstance(pattern, BaseException):
        pattern, arguments = "{}", (pattern, *arguments, pattern)
    parts = str(pattern).split("{}")
    places = len(parts) - 1
    filled = parts[0]
    for i, part in enumerate(parts[1:]):
        filled += (str(arguments[i]) if i < len(arguments) else "{}") + part
    traces = [
        "".join(traceback.format_exception(each)).rstrip()
        for each in arguments[places:]
        if isinstance(each, BaseException)
    ]
    return "\n".join([filled, *traces])


def at(epoch_ms: int) -> datetime:
    """An aware UTC time from epoch milliseconds."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


_current: contextvars.ContextVar[JobContext | None] = contextvars.ContextVar("baton_run", default=None)
_alone: list[JobContext] = []
"""The one run of this process, where no other can be meant."""


def get_context() -> JobContext:
    """The run this code belongs to, also in tasks, threads and thread pools of the handler.

    Raises `RuntimeError` outside a run, in a thread whose run has ended, and where several runs share
    the process and nobody can know which one is meant.
    """
    context = _current.get()
    if context is None and _alone:
        return _alone[-1]
    if context is None:
        raise RuntimeError(
            "get_context() was called outside a run, or in a thread that no handler started: hand the "
            "context over as an argument; in tests use baton.testing.run"
        )
    if context.has_ended:
        raise RuntimeError(
            f"get_context() was called in a thread that run {context.log_id} left behind: that run has "
            "ended; wait for your threads before the handler returns"
        )
    return context


@dataclass(frozen=True, slots=True)
class Entered:
    """What `leave` needs to put things back."""

    context: JobContext
    token: contextvars.Token[JobContext | None]
    alone_before: tuple[JobContext, ...]


def enter(context: JobContext, *, is_alone: bool = True) -> Entered:
    """Begin a run in this process; `is_alone`: no other one runs in it meanwhile."""
    before = tuple(_alone)
    _alone[:] = [context] if is_alone else []
    return Entered(context, _current.set(context), before)


def leave(entered: Entered) -> None:
    """End the run that `enter` began."""
    entered.context.has_ended = True
    _alone[:] = entered.alone_before
    _current.reset(entered.token)


def call_site(depth: int) -> str:
    """`file.py:12` of the caller `depth` frames up, for log lines."""
    frame = sys._getframe(depth)  # noqa: SLF001 - the cheap way; inspect.stack reads source files
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
