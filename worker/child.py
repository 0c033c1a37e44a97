"""Inside a child process: import the handlers, then run one handler after the other.

The parent sends `["run", ticket, …]`, perhaps several ahead; the child begins one when it has taken
its ticket from the turnstile. It says `["ready", …]` once, and `["ended", ticket, …]` per run; before
that, the ending stands in the journal. The child survives a SIGTERM that its parent did not announce
with `["cancel", ticket]`: a platform that stops every process of a machine at once must not cut the
runs its parent is still waiting for.

With `async` as its kind the child is an event loop instead, and begins what it is given at once:
`coroutines.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from baton import __version__, threads
from baton import context as run_context
from baton.context import SOFT_TEXT, Cancelled, JobContext, SoftTimeout
from baton.failpoints import arm, failpoint
from baton.vocabulary import GlueType

from . import builtin_command, glue, pipe, program, reaper
from .child_process import SOFT_SIGNAL
from .loaded import Loaded
from .one_run import Desk, Given, OneRun
from .outcome import RunOutcome
from .output import Home
from .turnstile import enter
from .words import Words

if TYPE_CHECKING:
    from .run_spans import RunSpans

SYNC, ASYNC = "sync", "async"
_PR_SET_PDEATHSIG = 1
_SIGNALS_APART_S = 0.5
"""Whoever signals every process of a machine has reached all of them within that time."""
_HAND_BACK_WITHIN_S = 5.0


class Child:
    """One warm child process that runs synchronous handlers."""

    def __init__(
        self,
        connection: socket.socket,
        turnstile: socket.socket,
        reader: pipe.Reader,
        settings: dict[str, Any],
        words: Words,
        spans: RunSpans | None = None,
    ) -> None:
        self._writer = pipe.Writer(connection)
        self._spans = spans
        self._turnstile = turnstile
        self._reader = reader
        self._given: deque[list[Any]] = deque()
        self._ticket = 0
        self._was_signalled = False
        self._desk = Desk(settings, words, self._writer.mention, spans)
        self._module_names: list[str] = settings["handlers"]
        self._built_in: dict[str, list[str]] = settings["built_in"]
        self._interpreters: dict[str, str] = settings["interpreters"]
        self._log_dir = Path(settings["log_dir"])
        self._drain_grace_s: float = settings["drain_grace_s"]
        self._is_program = False
        self._context: JobContext | None = None

    def serve(self) -> None:
        """Run what the parent sends until it hangs up."""
        self._hear_signals()
        self._loaded = Loaded(self._module_names, self._built_in)
        self._writer.say(self._loaded.ready_message())
        while (ticket := enter(self._turnstile)) is not None:
            message = self._message_of(ticket)
            if message is None:
                break
            self._ticket, self._was_signalled = ticket, False
            self._run_one(Given.from_message(message))
        self._destroy()

    def _hear_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(SOFT_SIGNAL, self._on_soft_signal)

    def _message_of(self, ticket: int) -> list[Any] | None:
        """The run of this ticket; those before it were taken back. None when the parent is gone."""
        while True:
            while self._given:
                message = self._given.popleft()
                if message[0] == "run" and message[1] == ticket:
                    return message
            messages = self._reader.read()
            if messages is None:
                return None
            self._given.extend(messages)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._was_signalled = True
        if self._context is not None:
            self._obey(self._context)

    def _on_soft_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._context is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._given.extend(self._reader.read(socket.MSG_DONTWAIT) or [])
        if ["soft", self._ticket] in self._given:
            self._given.remove(["soft", self._ticket])
            if not self._is_program:  # which cannot be told: it goes on until the hard stop
                raise SoftTimeout(SOFT_TEXT)

    def _obey(self, context: JobContext) -> None:
        """End the run if the signal was announced for it."""
        with contextlib.suppress(BlockingIOError):
            self._given.extend(self._reader.read(socket.MSG_DONTWAIT) or [])
        if ["cancel", self._ticket] in self._given:
            context.cancelled = True
            raise Cancelled

    def _run_one(self, given: Given) -> None:
        run = self._desk.begin(given)
        said = self._outcome_of(run)
        message = self._desk.end(run, said)
        if self._spans is not None and run.context.cancelled:
            self._spans.flush()  # the parent kills this process as soon as it hears the ending
        self._hear_signals()  # the next run is not to be deaf because this one was
        self._writer.say(message)

    def _outcome_of(self, run: OneRun) -> RunOutcome:
        entered = run_context.enter(run.context)
        try:
            self._context = run.context
            failpoint("run.started")
            if self._was_signalled:  # before there was a context to tell
                self._obey(run.context)
            said = run.returned(self._call(run.given, run.context))
        except BaseException as error:
            said = run.raised(error)
        finally:
            self._context = None
            run_context.leave(entered)
        return said

    def _call(self, given: Given, context: JobContext) -> Any:
        is_script = given.trigger["glue_type"] != GlueType.BEAN
        self._is_program = is_script or given.handler_name == builtin_command.NAME
        try:
            return self._run_script(given, context) if is_script else self._run_handler(given, context)
        except program.Terminated as ended:
            self._wait_if_all_stops()
            context.fail(str(ended))

    def _run_script(self, given: Given, context: JobContext) -> None:
        interpreter = self._interpreters[given.trigger["glue_type"]]
        glue.run(context, given.trigger, interpreter, self._log_dir / glue.FOLDER)

    def _run_handler(self, given: Given, context: JobContext) -> Any:
        name = given.handler_name
        handler = self._loaded.handlers.get(name)
        if handler is None:
            context.fail(self._loaded.missing(name))
            return None
        if self._loaded.is_new(handler):
            if handler.init is not None:
                handler.init()
            self._loaded.begun(handler)
        return handler(context)

    def _wait_if_all_stops(self) -> None:
        """A program was terminated; if the whole machine is, the executor hands this run back meanwhile.

        It ends this process to do so, and another executor runs the program from its beginning, which is what
        happens to every run that a stop cuts off. A failure would count as an attempt.
        """
        time.sleep(_SIGNALS_APART_S)
        if self._was_signalled:
            time.sleep(self._drain_grace_s + _HAND_BACK_WITHIN_S)

    def _destroy(self) -> None:
        for handler in self._loaded.to_destroy():
            if handler.destroy is not None:
                try:
                    handler.destroy()
                except Exception:
                    traceback.print_exc()


def _die_with(parent: int) -> bool:
    """Be killed when the thread of the parent that started this process ends; False if it has."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def main() -> int:
    """`python -m worker.child <kind> <four descriptors> <parent pid>`; settings come first."""
    kind = sys.argv[1]
    *descriptors, parent = map(int, sys.argv[2:])
    if not _die_with(parent):
        return 1
    reaper.become_subreaper()  # what daemonises below stays below, where it can be found
    with contextlib.ExitStack() as stack:
        connection, turnstile, entrance, outlet = (
            stack.enter_context(socket.socket(fileno=each)) for each in descriptors
        )
        reader = pipe.Reader(connection)
        first = reader.read()
        if not first:
            return 1
        settings = first[0][1]
        home = Home(os.dup(2), settings["executor_id"], settings["log_format"])
        words = Words.lead(entrance, outlet, home, is_alone=kind == SYNC)
        arm(settings["failpoints"])
        threading.current_thread().name = "run"
        threads.inherit()
        spans = _spans(settings, words)
        if kind == ASYNC:
            from .coroutines import serve  # a child of the other kind need not import asyncio

            serve(connection, reader, settings, words, spans)
        else:
            Child(connection, turnstile, reader, settings, words, spans).serve()
        if spans is not None:
            spans.stop()
    return 0


def _spans(settings: dict[str, Any], words: Words) -> RunSpans | None:
    """What tells of runs; its thread begins here, before any run, and belongs to none."""
    if not settings["tracing"]:
        return None
    from baton.tracing import Tracing

    from .run_spans import RunSpans

    with words.of_nobody():
        tracing = Tracing("worker", settings["executor_id"], __version__)
    return RunSpans(tracing, settings["executor_id"])


if __name__ == "__main__":
    sys.exit(main())
