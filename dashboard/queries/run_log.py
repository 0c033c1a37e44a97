"""The log of a run, piece by piece.

It lies on the disk of the executor that runs the run, which cannot be dialled; so it is asked for
through Redis, by byte. A worker that was replaced leaves its files to the others of its host: when the
executor itself is gone, they are asked. When nobody has the file, the archive is looked into, if there
is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from redis import Redis
from redis.exceptions import RedisError
from werkzeug.datastructures import MultiDict

from baton import telemetry
from baton.archive import Archive, ArchivedLog, Place
from baton.broker.log_keepers import keepers
from baton.broker.mailbox import LogAnswer, LogRequest, answer_by_byte, ask_log
from baton.envelope import group_key
from baton.errors import MessageError
from baton.logfile import END
from baton.store.runs import RunView

from ..resources import Resources
from .run_list import row_id

ANSWER_WITHIN_S = 3.0
PIECES_AT_MOST = 100_000
"""Of a download: whoever answers with more than this is not one of our executors."""
LONGEST_NEEDLE = 200

NOT_STARTED = "No executor has started this run yet."
REDIS_AWAY = "Redis does not answer; the log cannot be asked for."
NO_ANSWER = "The executor does not answer."
GONE = "The executor that ran this is gone, and no other one of its host is there to read its files."
NEVER_RAN = "This run never started, so it has no log."
NO_ARCHIVE = " No archive is set up (BATON_LOG_ARCHIVE_URL)."
NOT_ARCHIVED = " The archive has no log of this run."
ARCHIVE_AWAY = " The archive does not answer."


class Sources(Protocol):
    """Whom a log is asked for; the application's resources are such, and what the command line opens."""

    @property
    def redis(self) -> Redis: ...
    @property
    def blocking_redis(self) -> Redis: ...
    @property
    def archive(self) -> Archive | None: ...
    @property
    def access_token(self) -> str:
        """What requests to executors are signed with."""


class RunLog:
    """Asks for the log of one run."""

    def __init__(self, here: Sources, run: RunView) -> None:
        self._here = here
        self.run = run
        """The row; when the run ends, it says who ran it, so keep it fresh."""
        self.is_from_archive = False
        self._key = group_key(here.access_token, run.app_name or "")
        self._answers_last = ""
        self._archived: ArchivedLog | None = None

    def last(self) -> LogAnswer:
        """The last lines; without content, `message` says why if there is a reason."""
        return self._piece(before_byte=END)

    def before(self, byte: int) -> LogAnswer:
        """The lines that end at a byte."""
        return self._piece(before_byte=byte)

    def after(self, byte: int, wait_s: float = 0.0) -> LogAnswer:
        """The lines from a byte on; while there are none, the answer may take `wait_s`."""
        return self._piece(from_byte=byte, wait_ms=round(wait_s * 1000))

    def places(self, needle: str, byte: int) -> LogAnswer:
        """Places of lines with a text, from a byte on: byte, tab and text of each."""
        return self._piece(from_byte=byte, needle=needle)

    def whole(self) -> Iterator[str]:
        """All that is there now, in pieces; ends with the reason if it cannot go on."""
        at, size = 0, END
        for _ in range(PIECES_AT_MOST):
            answer = self.after(at)
            size = min(size, answer.size or END)
            yield answer.content
            if not answer.content or answer.to_byte >= size:
                yield f"[{answer.message}]\n" if answer.message else ""
                return
            at = answer.to_byte

    def _piece(self, **wanted: int | str) -> LogAnswer:
        request = LogRequest(self.run.log_id, self.run.trigger_time, **wanted)  # type: ignore[arg-type]
        if self._archived is not None:
            return self._from_archive(request, "")
        try:
            answer = self._asked(request)
        except (RedisError, MessageError):
            answer = _nothing(request, REDIS_AWAY)
        if answer.message and self.run.executor_address and self.run.outcome is not None:
            return self._from_archive(request, answer.message)
        return answer

    def _asked(self, request: LogRequest) -> LogAnswer:
        silent = _nothing(request, self._why_nobody())
        for executor_id in self._who_may_know():
            answer = self._ask(executor_id, request)
            if answer is None:
                silent = _nothing(request, NO_ANSWER)
            elif answer.content or not answer.message:
                self._answers_last = executor_id
                return answer
            else:
                silent = _nothing(request, answer.message)
        self._answers_last = ""
        return silent

    def _who_may_know(self) -> list[str]:
        if self.run.app_name is None:
            return []
        known = keepers(self._here.redis, self.run.app_name, self.run.log_id, self.run.executor_address or "")
        return [self._answers_last] if self._answers_last in known else known

    def _ask(self, executor_id: str, request: LogRequest) -> LogAnswer | None:
        return ask_log(
            self._here.redis,
            self._here.blocking_redis,
            self._key,
            self.run.app_name or "",
            executor_id,
            request,
            wait_s=ANSWER_WITHIN_S + request.wait_ms / 1000,
        )

    def _from_archive(self, request: LogRequest, why: str) -> LogAnswer:
        """The piece as the archive has it; `why` it is asked, and what else there is to say."""
        if self._here.archive is None:
            return _nothing(request, why + NO_ARCHIVE)
        try:
            place = Place(self.run.app_name or "", self.run.trigger_time, self.run.log_id)
            self._archived = self._archived or self._here.archive.find(place)
            if self._archived is None:
                return _nothing(request, why + NOT_ARCHIVED)
            self.is_from_archive = True
            return answer_by_byte(request, self._archived.read_at, self._archived.size, is_growing=False)
        except Exception as problem:  # whatever the store of the archive raises
            telemetry.problem("archive.failed", problem)
            return _nothing(request, why + ARCHIVE_AWAY)

    def _why_nobody(self) -> str:
        if self.run.outcome is None:
            return NOT_STARTED
        return GONE if self.run.executor_address else NEVER_RAN


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """Which part of a log a page shows: its end, what comes before or after a byte, or a search."""

    before: int | None = None
    after: int | None = None
    needle: str = ""

    @classmethod
    def from_args(cls, args: MultiDict[str, str]) -> Self:
        """Read the query of a page; what makes no sense asks for the end."""
        before, after = args.get("before", ""), args.get("from", "")
        return cls(
            byte_of(before) if not after else None,
            byte_of(after),
            args.get("q", "").strip()[:LONGEST_NEEDLE],
        )


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of a log as a page shows it."""

    answer: LogAnswer
    is_from_archive: bool
    places: tuple[tuple[int, str], ...] = ()
    """Of a search: byte and text."""

    @property
    def is_first(self) -> bool:
        """Whether nothing is before it."""
        return self.answer.from_byte == 0

    @property
    def is_last(self) -> bool:
        """Whether nothing is after it, so far."""
        return self.answer.to_byte >= self.answer.size


def page(here: Resources, run: RunView, asked: LogQuestion) -> LogPage:
    """The part of the log that is asked for."""
    log = RunLog(here, run)
    if asked.needle:
        answer = log.places(asked.needle, asked.after or 0)
        pairs = (line.partition("\t") for line in answer.content.splitlines())
        places = tuple((int(byte), text) for byte, _, text in pairs if byte.isdigit())
        return LogPage(answer, log.is_from_archive, places)
    if asked.after is not None:
        return LogPage(log.after(asked.after), log.is_from_archive)
    return LogPage(log.before(END if asked.before is None else asked.before), log.is_from_archive)


def byte_of(text: str) -> int | None:
    """A place in a log as an address names it; None for anything else."""
    return 0 if text == "0" else row_id(text)


def _nothing(request: LogRequest, message: str) -> LogAnswer:
    at = max(request.from_byte, 0)
    return LogAnswer(0, 0, "", is_end=True, message=message, from_byte=at, to_byte=at)
