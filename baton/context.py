"""What a handler knows of its run, and how it says how the run ended."""

from __future__ import annotations

import contextvars
import json
import sys
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


@dataclass(frozen=True, slots=True)
class Shard:
    """This run's part of a broadcast."""

    index: int
    total: int


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
    handle_code: int = HandleCode.SUCCESS
    handle_msg: str = ""
    cancelled: bool = False
    """True once somebody asked this run to stop, for code that looks now and then."""
    _said: bool = field(default=False)

    @property
    def json(self) -> Any:
        """The parameter read as JSON; None when it is empty. Raises ValueError when it is not JSON."""
        return json.loads(self.param) if self.param else None

    def log(self, pattern: str, *arguments: object) -> None:
        """Write a line to the run log; each `{}` in `pattern` is filled with one argument."""
        self.write_line(fill(pattern, arguments), 2)

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


def fill(pattern: str, arguments: tuple[object, ...]) -> str:
    """`pattern` with its `{}` places filled in order; more places than arguments stay as they are."""
    parts = pattern.split("{}")
    filled = parts[0]
    for i, part in enumerate(parts[1:]):
        filled += (str(arguments[i]) if i < len(arguments) else "{}") + part
    return filled


def at(epoch_ms: int) -> datetime:
    """An aware UTC time from epoch milliseconds."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


_current: contextvars.ContextVar[JobContext | None] = contextvars.ContextVar("baton_run", default=None)
_of_process: list[JobContext] = []


def get_context() -> JobContext:
    """The run this code belongs to, also in threads the handler started.

    A child process runs one handler at a time, so a thread without a context of its own belongs
    to that one. Raises `RuntimeError` outside a run.
    """
    context = _current.get() or (_of_process[-1] if _of_process else None)
    if context is None:
        raise RuntimeError("get_context() was called outside a run; use baton.testing.run in tests")
    return context


def enter(context: JobContext, *, is_alone: bool = True) -> contextvars.Token[JobContext | None]:
    """Begin a run in this process; `is_alone`: no other one runs in it meanwhile."""
    _of_process[:] = [context] if is_alone else []
    return _current.set(context)


def leave(token: contextvars.Token[JobContext | None]) -> None:
    """End the run that `enter` began."""
    _of_process.clear()
    _current.reset(token)


def call_site(depth: int) -> str:
    """`file.py:12` of the caller `depth` frames up, for log lines."""
    frame = sys._getframe(depth)  # noqa: SLF001 - the cheap way; inspect.stack reads source files
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
