"""What Python code says while it runs, as lines in the log of its run.

`sys.stdout` and `sys.stderr`, standard `logging` and `warnings` lead here. Which run a line belongs to
is asked of the context (`contextvars`): coroutines of several runs share one process. In a process that
has one run at a time, a thread that has no context of its own belongs to that one. What is said outside
a run goes to the executor's standard error, with a word about who says it.

What is written below Python, to the descriptors 1 and 2, is the subject of `output_pipe.py`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from baton.process_log import Line, written

from .runlog import LINE_CAP_CHARS, RunLog

_HOME_BYTES_PER_S = 256 * 1024
_HEAD_BYTES = 150
"""Of a line, before its words; about."""
_PASSING_ON = frozenset(module.__file__ for module in (logging, traceback, warnings, contextlib))
"""Code that prints for others: the call site is above it."""
_AT_ONCE = 1_000
"""Lines of one `print` that are formatted before they are written."""

_log_of_context: ContextVar[RunLog | None] = ContextVar("baton_run_log", default=None)


class Home:
    """The executor's own standard error, for what belongs to no run; bounded in speed."""

    def __init__(self, descriptor: int, executor_id: str, log_format: str) -> None:
        self._descriptor = descriptor
        self._executor_id = executor_id
        self._log_format = log_format
        self._second = 0
        self._left_bytes = 0
        self._dropped = 0

    def lines(self, texts: list[str], level: str, site: str) -> None:
        """Write lines that say who they come from."""
        at_s = time.time()
        if int(at_s) != self._second:
            self._second, self._left_bytes = int(at_s), _HOME_BYTES_PER_S
            if self._dropped:
                texts = [f"({self._dropped:,} lines were left out here)", *texts]
                self._dropped = 0
        for text in texts:
            if len(text) + _HEAD_BYTES > self._left_bytes:
                self._dropped += 1
                continue
            facts = {"child": os.getpid(), "at": site}
            line = Line(at_s, level, "child.said", "worker", self._executor_id, os.getpid(), facts, text)
            raw = f"{written(line, self._log_format)}\n".encode("utf-8", "backslashreplace")
            self._left_bytes -= len(raw)
            with contextlib.suppress(OSError):
                os.write(self._descriptor, raw)


class Output:
    """Where the words of one child process go."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._of_process: RunLog | None = None
        self.stdout = Printed(self, 1, "INFO")
        self.stderr = Printed(self, 2, "WARNING")

    def install(self) -> None:
        """Let everything that Python code says lead here."""
        sys.stdout, sys.stderr = self.stdout, self.stderr
        logging.basicConfig(level=logging.INFO, handlers=[_Records(self)], force=True)
        warnings.showwarning = self._show_warning

    def enter(self, log: RunLog, *, is_alone: bool) -> None:
        """What is said in this context belongs to this log, and so in tasks and threads it begins.

        `is_alone`: the process has no other run meanwhile, so what has no context belongs to it too.
        """
        _log_of_context.set(log)
        if is_alone:
            self._of_process = log

    @contextlib.contextmanager
    def of_nobody(self) -> Iterator[None]:
        """What is said in this context, and in threads that begin in it, belongs to no run."""
        closed = RunLog(Path(os.devnull))
        closed.close()
        before = _log_of_context.set(closed)
        try:
            yield
        finally:
            _log_of_context.reset(before)

    def leave(self, log: RunLog) -> None:
        """The run has ended: what it printed without a line end is a line all the same."""
        self.stdout.finish_lines(log)
        self.stderr.finish_lines(log)
        if self._of_process is log:
            self._of_process = None

    def target(self) -> RunLog | None:
        """The log that the caller's words belong to; None for the executor's standard error."""
        log = _log_of_context.get() or self._of_process
        # of a run that has ended, and left a thread or a task behind
        return log if log is not None and log.is_open else None

    def say(self, texts: list[str], level: str, site: str) -> None:
        """Add lines for the caller."""
        (self.target() or self.home).lines(texts, level, site)

    def _show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del file, line
        self.say([f"{category.__name__}: {message}"], "WARNING", _place(filename, lineno))


class Printed(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr`: each line becomes a line of the run's log."""

    def __init__(self, output: Output, descriptor: int, level: str) -> None:
        self._output = output
        self._descriptor = descriptor
        self._level = level
        self._pid = os.getpid()
        self._begun: dict[tuple[RunLog | None, int], tuple[str, str]] = {}
        """Lines without an end so far, by log and thread: no two threads write into one line."""
        self.buffer = _Bytes(self)

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        log = self._output.target()
        if log is not None and log.is_full:
            return len(text)
        key = (log, threading.get_ident())
        before, site = self._begun.pop(key, ("", "")) if self._begun else ("", "")
        rest = self._write_lines(log, before + _with_plain_ends(text), site or _call_site())
        if rest:
            self._begun[key] = (rest, site or _call_site())
        return len(text)

    def _write_lines(self, log: RunLog | None, text: str, site: str) -> str:
        """Write the whole lines of `text`; answers what is left of it."""
        target = log or self._output.home
        begin = 0
        while log is None or not log.is_full:
            lines, begin = _cut_lines(text, begin)
            if not lines:
                break
            target.lines(lines, self._level, site)
        rest = text[begin:]
        if len(rest) <= LINE_CAP_CHARS:
            return rest
        target.lines([rest], self._level, site)
        return ""

    def finish_lines(self, log: RunLog | None) -> None:
        """End the lines that were begun for this log."""
        for key in [key for key in self._begun if key[0] is log]:
            rest, site = self._begun.pop(key)
            (log or self._output.home).lines([rest], self._level, site)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        """For code that hands it to a subprocess."""
        return self._descriptor

    def flush(self) -> None:
        """Lines are written when they end; but a forked process will not be here for that."""
        if self._begun and os.getpid() != self._pid:
            for log in {log for log, _thread in self._begun}:
                self.finish_lines(log)

    def close(self) -> None:
        """Stays open: the next run prints too."""

    def reconfigure(self, **_: Any) -> None:
        """As of `io.TextIOWrapper`; nothing of it applies."""


class _Bytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes that are meant as text."""

    def __init__(self, text: Printed) -> None:
        self._text = text

    def write(self, data: Any, /) -> int:
        raw = bytes(data)
        self._text.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._text.fileno()

    def close(self) -> None:
        """Stays open."""


class _Records(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            # as logging itself: a call with wrong arguments must not end the run, but be seen
            text = f"a log call that cannot be formatted: {record.msg!r} % {record.args!r}"
        self._output.say([text], record.levelname, f"{record.filename}:{record.lineno}")


def _with_plain_ends(text: str) -> str:
    """A carriage return ends a line too: each state of a progress bar is one."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _cut_lines(text: str, begin: int) -> tuple[list[str], int]:
    """Some whole lines from `begin` on, and where they end."""
    lines: list[str] = []
    while len(lines) < _AT_ONCE:
        end = text.find("\n", begin)
        if end < 0:
            break
        lines.append(text[begin:end])
        begin = end + 1
    return lines, begin


def _call_site() -> str:
    """`file.py:12` of whoever called print."""
    frame = sys._getframe(2)  # noqa: SLF001 - the cheap way; inspect.stack reads source files
    while frame.f_back is not None and frame.f_code.co_filename in _HERE:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


_HERE = _PASSING_ON | {__file__}


def _place(filename: str, line: int) -> str:
    return f"{filename.rpartition('/')[2]}:{line}"
