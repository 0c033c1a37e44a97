"""Inside a child process: import the handlers, then run one handler after the other.

The parent sends `["run", ticket, …]`, perhaps several ahead; the child begins one when it has taken
its ticket from the turnstile. It says `["ready", names, problem]` once, and `["ended", ticket, …]` per
run; before that, the ending stands in the journal. The child survives a SIGTERM that its parent did
not announce with `["cancel", ticket]`: a platform that stops every process of a machine at once must
not cut the runs its parent is still waiting for.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
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
from typing import Any

from baton import context as run_context
from baton import handlers
from baton.context import Cancelled, JobContext, Shard
from baton.envelope import seal
from baton.failpoints import arm, failpoint
from baton.handlers import Handler

from . import outcome, pipe, runlog, spool
from .outcome import RunOutcome
from .turnstile import enter

RESULT_LIMIT_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1


class Child:
    """One warm child process."""

    def __init__(
        self,
        connection: socket.socket,
        turnstile: socket.socket,
        reader: pipe.Reader,
        settings: dict[str, Any],
    ) -> None:
        self._connection = connection
        self._turnstile = turnstile
        self._reader = reader
        self._given: deque[list[Any]] = deque()
        self._ticket = 0
        self._was_signalled = False
        self._app_name: str = settings["app_name"]
        self._executor_id: str = settings["executor_id"]
        self._key = bytes.fromhex(settings["key"])
        self._log_dir = Path(settings["log_dir"])
        self._journal = spool.Journal(Path(settings["spool_folder"]))
        self._module_names: list[str] = settings["handlers"]
        self._handlers: dict[str, Handler] = {}
        self._begun: dict[str, str] = {}
        self._load_problem = ""
        self._context: JobContext | None = None
        self._log: runlog.RunLog | None = None

    def serve(self) -> None:
        """Run what the parent sends until it hangs up."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, lambda *_: None)
        self._load_handlers()
        self._connection.sendall(pipe.pack(["ready", sorted(self._handlers), self._load_problem]))
        while (ticket := enter(self._turnstile)) is not None:
            message = self._message_of(ticket)
            if message is None:
                break
            self._ticket, self._was_signalled = ticket, False
            self._run(message)
        self._destroy()

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

    def _load_handlers(self) -> None:
        try:
            self._handlers = handlers.load(self._module_names)
        except BaseException:
            self._load_problem = traceback.format_exc()

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._was_signalled = True
        if self._context is not None:
            self._obey(self._context)

    def _obey(self, context: JobContext) -> None:
        """End the run if the signal was announced for it."""
        with contextlib.suppress(BlockingIOError):
            self._given.extend(self._reader.read(socket.MSG_DONTWAIT) or [])
        if ["cancel", self._ticket] in self._given:
            context.cancelled = True
            raise Cancelled

    def _run(self, message: list[Any]) -> None:
        _, ticket, segment, token, attempt, facts = message
        self._log = log = runlog.RunLog(
            runlog.path_of(self._log_dir, facts["log_date_time"], facts["log_id"])
        )
        log.line(f"job execute start, param: {facts['executor_params']}", "INFO", "baton")
        _point_output_at(log.descriptor)
        context = self._make_context(facts, token, attempt)
        ended = self._outcome_of(facts["executor_handler"], context)
        was_cancelled = context.cancelled
        with contextlib.suppress(ValueError, OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        log.line(
            f"job execute end(finish), {ended.outcome}: {ended.handle_msg}".rstrip(": "), "INFO", "baton"
        )
        self._log = None
        log.close()
        failpoint("run.ended")
        frame = seal(
            outcome.callback(
                ended,
                app_name=self._app_name,
                log_id=facts["log_id"],
                log_date_time=facts["log_date_time"],
                executor_id=self._executor_id,
                attempt=attempt,
                token=token,
            ),
            self._key,
        )
        if not was_cancelled:  # else the parent knows better how the run ended, and writes that
            # a full disk must not hold the result back: it goes to the parent all the same
            with contextlib.suppress(OSError):
                self._journal.append(segment, frame)
        failpoint("journal.written")
        self._connection.sendall(pipe.pack(["ended", ticket, frame, was_cancelled]))

    def _outcome_of(self, handler_name: str, context: JobContext) -> RunOutcome:
        started_ms = _now_ms()
        entered = run_context.enter(context)
        try:
            self._context = context
            failpoint("run.started")
            if self._was_signalled:  # before there was a context to tell
                self._obey(context)
            result = self._call(handler_name, context)
            said = outcome.of_code(
                context.handle_code, context.handle_msg, started_ms, _now_ms(), _result_text(result, context)
            )
        except Cancelled:
            said = outcome.of_code(500, "[job running, killed]", started_ms, _now_ms(), "")
        except BaseException:
            trace = traceback.format_exc()
            context.write_line(trace, 1)
            said = outcome.of_code(500, trace, started_ms, _now_ms(), "")
        finally:
            self._context = None
            run_context.leave(entered)
        return said

    def _call(self, name: str, context: JobContext) -> Any:
        handler = self._handlers.get(name)
        if handler is None:
            problem = f"\n{self._load_problem}" if self._load_problem else ""
            context.fail(f"job handler [{name}] not found.{problem}")
            return None
        if handler.init is not None and name not in self._begun:
            handler.init()
        self._begun.setdefault(name, name)
        return handler(context)

    def _make_context(self, facts: dict[str, Any], token: int, attempt: int) -> JobContext:
        limit_s = facts["executor_timeout"]
        return JobContext(
            job_id=facts["job_id"],
            log_id=facts["log_id"],
            param=facts["executor_params"],
            shard=Shard(facts["broadcast_index"], facts["broadcast_total"]),
            attempt=attempt,
            token=token,
            planned_at=run_context.at(facts["fire_at_ms"]),
            deadline=run_context.at(_now_ms() + limit_s * 1000) if limit_s else None,
            write_line=self._write_line,
        )

    def _write_line(self, text: str, depth: int) -> None:
        if self._log is not None:
            self._log.line(text, "INFO", run_context.call_site(depth + 1))

    def log_record(self, level: str, site: str, text: str) -> None:
        """A record of the standard `logging` module, during a run."""
        if self._log is not None:
            self._log.line(text, level, site)

    def _destroy(self) -> None:
        for name in self._begun:
            destroy = self._handlers[name].destroy
            if destroy is not None:
                try:
                    destroy()
                except Exception:
                    traceback.print_exc()


class _RunLogging(logging.Handler):
    def __init__(self, child: Child) -> None:
        super().__init__()
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        self._child.log_record(record.levelname, f"{record.filename}:{record.lineno}", self.format(record))


def _result_text(result: Any, context: JobContext) -> str:
    if result is None:
        return ""
    try:
        text = json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError):
        text = json.dumps(repr(result), ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > RESULT_LIMIT_BYTES:
        context.write_line(f"the returned value has {len(text):,} characters as JSON; it is not kept", 1)
        return ""
    return text


def _point_output_at(descriptor: int) -> None:
    """What the handler prints, and what its subprocesses print, goes to the run log."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    """`python -m worker.child <connection> <turnstile> <parent pid>`; the first frame has the settings."""
    descriptor, turnstile_descriptor, parent = map(int, sys.argv[1:])
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    with (
        socket.socket(fileno=descriptor) as connection,
        socket.socket(fileno=turnstile_descriptor) as turnstile,
    ):
        reader = pipe.Reader(connection)
        first = reader.read()
        if not first:
            return 1
        settings = first[0][1]
        arm(settings["failpoints"])
        child = Child(connection, turnstile, reader, settings)
        logging.basicConfig(level=logging.INFO, handlers=[_RunLogging(child)])
        threading.current_thread().name = "run"
        child.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
