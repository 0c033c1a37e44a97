"""What a child does around one run, whichever way its handler runs.

`Desk.begin` opens the run's log and makes its context; the handler is called; `Desk.end` writes the
ending down before the parent hears of it. What stands between the two is the child's own business:
`child.py` calls a function, `coroutines.py` awaits one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from baton import context as run_context
from baton.context import Cancelled, JobContext, Shard
from baton.endings import kept_result
from baton.envelope import seal
from baton.failpoints import failpoint

from . import journal, outcome, runlog
from .outcome import RunOutcome
from .reporter import Reporter
from .words import Words

if TYPE_CHECKING:
    from baton.tracing import Begun

    from .run_spans import RunSpans

KILLED = "[job running, killed]"


@dataclass(frozen=True, slots=True)
class Given:
    """A run as the parent gives it to a child."""

    ticket: int
    segment: int
    token: int
    attempt: int
    trigger: dict[str, Any]
    """The map of its TriggerParam."""

    @classmethod
    def from_message(cls, message: list[Any]) -> Self:
        """Read `["run", ticket, segment, token, attempt, trigger]`."""
        return cls(*message[1:])

    @property
    def handler_name(self) -> str:
        """Which handler it wants."""
        return str(self.trigger["executor_handler"])


class OneRun:
    """A run that has begun."""

    def __init__(
        self,
        given: Given,
        log: runlog.RunLog,
        mention: Callable[[list[Any]], None],
        span: Begun | None = None,
    ) -> None:
        self.given = given
        self.log = log
        self.span = span
        self.started_ms = now_ms()
        self.stop_outcome = ""
        """What it ends as, once it was asked to."""
        self.reporter = Reporter(given.ticket, mention, lambda text: log.line(text, "INFO", "baton"))
        self.context = _context_of(given, self.write_line, self.reporter)

    def write_line(self, text: str, depth: int) -> None:
        """A line of the handler; `depth` frames up is who wrote it."""
        self.log.line(text, "INFO", run_context.call_site(depth + 1))

    def returned(self, result: Any) -> RunOutcome:
        """The handler came to its end: what it said, or success."""
        context = self.context
        kept = kept_result(result)
        if kept.problem:
            self.log.line(kept.problem, "WARNING", "baton")
        return outcome.of_code(context.handle_code, context.handle_msg, self.started_ms, now_ms(), kept.text)

    def raised(self, error: BaseException) -> RunOutcome:
        """The handler ended with an exception."""
        if isinstance(error, Cancelled) or (
            isinstance(error, asyncio.CancelledError) and self.context.cancelled
        ):
            return outcome.of_code(500, KILLED, self.started_ms, now_ms(), "")
        if self.span is not None:
            self.span.raised(error)
        trace = "".join(traceback.format_exception(error))  # which the log's last line carries
        return outcome.of_code(500, trace, self.started_ms, now_ms(), "")


class Desk:
    """What the runs of one child process share: where logs and endings go."""

    def __init__(
        self,
        settings: dict[str, Any],
        words: Words,
        mention: Callable[[list[Any]], None],
        spans: RunSpans | None,
    ) -> None:
        self._mention = mention
        self._words = words
        self._spans = spans
        self._executor_id: str = settings["executor_id"]
        self._keys = {app_name: bytes.fromhex(key) for app_name, key in settings["keys"].items()}
        self._logs = runlog.LogFolder(Path(settings["log_dir"]), settings["log_cap_bytes"])
        self._journal = journal.Journal(Path(settings["spool_folder"]))

    def begin(self, given: Given) -> OneRun:
        """Open its log and make its context."""
        trigger = given.trigger
        try:
            log = self._logs.open(trigger["log_date_time"], trigger["log_id"])
        except OSError as problem:
            # a full disk, a folder that is gone: the run matters more than its words
            print(f"run {trigger['log_id']} has no log: {problem}")
            log = runlog.RunLog(Path(os.devnull))
        log.remark(f"job execute start, param: {trigger['executor_params']}")
        self._words.begin_run(log)
        span = self._spans.begin(trigger, given.attempt) if self._spans is not None else None
        return OneRun(given, log, self._mention, span)

    def end(self, run: OneRun, said: RunOutcome) -> list[Any]:
        """Write the ending down; answers the message that tells the parent."""
        was_cancelled = run.context.cancelled
        run.reporter.close()
        self._words.end_run(run.log)
        if not was_cancelled:
            run.log.remark(outcome.last_line(said))
        run.log.close()
        failpoint("run.ended")
        if self._spans is not None and run.span is not None:
            self._spans.end(run.span, said)
        frame = self._sealed(run, said)
        if not was_cancelled:  # else the parent knows better how the run ended, and writes that
            # a full disk must not hold the result back: it goes to the parent all the same
            with contextlib.suppress(OSError):
                self._journal.append(run.given.segment, frame)
        failpoint("journal.written")
        return ["ended", run.given.ticket, frame, was_cancelled]

    def _sealed(self, run: OneRun, said: RunOutcome) -> bytes:
        given = run.given
        before = given.trigger.get("trace_parent", "")
        app_name = given.trigger["app_name"]
        message = outcome.callback(
            said,
            app_name=app_name,
            log_id=given.trigger["log_id"],
            log_date_time=given.trigger["log_date_time"],
            executor_id=self._executor_id,
            attempt=given.attempt,
            token=given.token,
            trace_parent=run.span.place.header if run.span is not None else before,
        )
        return seal(message, self._keys[app_name])


def now_ms() -> int:
    """The wall clock, for what is stored and shown."""
    return time.time_ns() // 1_000_000


def _context_of(given: Given, write_line: Callable[[str, int], None], report: Reporter) -> JobContext:
    trigger = given.trigger
    limit_s = trigger["executor_timeout"]
    return JobContext(
        job_id=trigger["job_id"],
        log_id=trigger["log_id"],
        param=trigger["executor_params"],
        shard=Shard(trigger["broadcast_index"], trigger["broadcast_total"]),
        attempt=given.attempt,
        token=given.token,
        planned_at=run_context.at(trigger["fire_at_ms"]),
        deadline=run_context.at(now_ms() + limit_s * 1000) if limit_s else None,
        write_line=write_line,
        report=report,
    )
