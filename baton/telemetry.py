"""What happened, said once: the closed list of event names, and log lines made from them.

Code never formats log lines. It says `event("push.done", rows=12)` or
`problem("loop.failed", exception, loop="pusher")`; this module hands that to standard `logging` as
an `Event`, and counts each name for tests and metrics. What a line looks like is the subject of
`process_log.py`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

EventName = Literal[
    "process.started",  # a process is ready to work
    "process.stopping",  # a signal asked it to stop
    "process.stopped",  # everything is handed back; the next line is the exit
    "process.failed",  # an exception that nobody caught ends it
    "process.goodbye_failed",  # Redis did not hear a goodbye; others notice by the beat
    "thread.failed",  # an exception that nobody caught ended a thread
    "exception.ignored",  # raised where Python lets none out, as in `__del__`
    "loop.failed",  # a step raised; it is called again after `wait_s`
    "plan.done",  # `rows` log rows were inserted for `jobs` due jobs
    "plan.resumed",  # fixed delays whose run ended unseen were given their next time
    "plan.misfire",  # fire times of a job were met too late
    "plan.job_stopped",  # a job's schedule has no next time or cannot be read: it was stopped
    "push.done",  # `queued` rows are in their lanes, `refused` are not
    "sweep.rebuilt",  # Redis had lost its data; rows were pushed again
    "sweep.opened",  # a group whose Redis is new, or lost its data, may be pushed to and claimed from
    "sweep.lost",  # runs neither waited nor ran nor had a result; `ending` says what became of them
    "sweep.repaired",  # the ready set was not what the lanes said; it is now
    "watch.executor_lost",  # an executor stopped beating; its runs were taken back
    "claim.done",  # `runs` messages were claimed
    "claim.malformed",  # a claimed message could not be opened; its row ends as failed
    "claim.returned",  # `runs` that no child could begin soon went back to their lanes
    "run.started",  # a child has begun it
    "run.ended",  # its row has ended; `outcome` says how
    "run.killed",  # a run was stopped from outside; `how` says what was needed
    "lease.lost",  # a lease could not be renewed in time; the run is stopped here
    "handlers.changed",  # files of handlers are not what they were: fresh children take over
    "run.over_limit",  # a run used more memory or CPU time than it may; it is ended
    "child.replaced",  # a child had run enough, or had grown too large
    "child.died",  # a child process ended by itself
    "child.failed",  # a child process could not load the handlers
    "child.said",  # words in a child process that belong to no run
    "settle.done",
    "settle.waiting",  # Redis did not take results; they wait in the spool
    "spool.adopted",  # `runs` endings that an executor left on this disk are to be handed over
    "spool.replayed",  # results of an earlier process were handed over
    "spool.handed_over_again",  # Redis may have lost results; what is kept of them was handed over again
    "spool.quarantined",  # bytes of a spool that nobody can deliver were put aside; the rest is handed over
    "spool.quarantine_full",  # the oldest file in quarantine was removed
    "spool.failed",  # the disk did not let a spool folder be read or written
    "spool.let_go",  # endings that Redis has are not kept until they are applied: the spool is nearly full
    "spool.nearly_full",
    "spool.full",  # nothing is claimed until Redis takes results
    "spool.relieved",  # claiming goes on
    "spool.left",  # a stopping executor leaves endings for the next start on this disk
    "scan.done",  # both stores were looked through for broken invariants
    "scan.found",  # broken invariants that stay
    "scan.repaired",  # findings were repaired
    "retention.cap",  # run logs took more room than they may; the oldest `files` are gone
    "archive.done",  # `logs` were stored in the archive
    "archive.failed",  # the archive did not take or give a log; it is asked again
    "archive.dropped",  # `logs` will not be archived: too many waited, or their files were gone
    "mailbox.failed",  # a request to this executor could not be answered
    "apply.done",  # `rows` rows ended
    "apply.repeated",  # results for rows that had ended already
    "apply.stale",  # a result of an attempt that a newer one has superseded: evidence only
    "apply.failed_callback",  # a result that cannot be applied was put aside
    "alarm.handed_over",  # a delivery is due; the background process was told
    "alarm.sent",  # a channel took it
    "alarm.not_sent",  # a channel did not take it; `again` says whether it is tried once more
    "alarm.failed",  # sending it raised what nobody expected
    "report.counted",  # `runs` runs were counted, or counted again, into the reports
    "report.waiting",  # somebody has been writing runs for long: those after that are counted later
    "chore.handed_over",  # a piece of background work is due; the background process was told
    "chore.given_up",  # a piece of background work failed as often as it may
    "retention.deleted",  # `runs` runs were kept long enough
    "page.failed",  # a page could not be made; the person saw a sentence
    "page.without_redis",  # Redis did not answer; pages show what SQL knows
    "signin.failed",
    "signin.done",
    "audit",  # a person changed something
    "setting.warning",
    "setting.refused",  # the process cannot start with it
    "crew.said",  # what `baton run` tells of the processes it started
    "library.said",  # a record of a library, which is no event of ours
]

_counts: Counter[str] = Counter()
_counts_lock = threading.Lock()
_logger = logging.getLogger("baton")
_observers: list[Callable[[str, dict[str, object]], None]] = []


@dataclass(frozen=True, slots=True)
class Event:
    """What `logging` gets as the message of a record."""

    name: EventName
    facts: Mapping[str, object]

    def __str__(self) -> str:
        """The name and `key=value` pairs, on one line."""
        return " ".join([self.name, *(f"{name}={_shown(value)}" for name, value in self.facts.items())])


def event(name: EventName, /, **facts: object) -> None:
    """Something expected happened."""
    _record(name, facts, logging.INFO)


def detail(name: EventName, /, **facts: object) -> None:
    """As `event`, for things too frequent to be read by default."""
    _record(name, facts, logging.DEBUG)


def warning(name: EventName, /, **facts: object) -> None:
    """Something a person should look at; nothing is lost."""
    _record(name, facts, logging.WARNING)


def problem(name: EventName, exception: BaseException, /, **facts: object) -> None:
    """An exception that was survived; its trace belongs to the line."""
    _record(name, {**facts, "error": repr(exception)}, logging.ERROR, exception)


def count(name: EventName) -> int:
    """How often `name` happened in this process."""
    return _counts[name]


def counts() -> dict[str, int]:
    """How often each event happened in this process."""
    with _counts_lock:
        return dict(_counts)


def observe(observer: Callable[[str, dict[str, object]], None]) -> None:
    """Call `observer(name, facts)` for each event: tests wait on events instead of sleeping."""
    _observers.append(observer)


def _record(
    name: EventName, facts: dict[str, object], level: int, exception: BaseException | None = None
) -> None:
    with _counts_lock:
        _counts[name] += 1
    if _logger.isEnabledFor(level):
        _logger.log(level, Event(name, facts), exc_info=exception)
    for observer in _observers:
        observer(name, facts)


def _shown(value: object) -> str:
    """One line, quoted when it has spaces: a value from outside must not forge a log line."""
    text = str(value)
    return repr(text) if not text.isprintable() or " " in text or text == "" else text
