"""Answers what others ask this executor: a piece of a run log; look at your stops now."""

from __future__ import annotations

from collections.abc import Callable

from baton import telemetry
from baton.broker.mailbox import LogAnswer, LogRequest, Mailbox
from baton.errors import MessageError

from .runlog import LogReader
from .runs import Runs

_WAIT_S = 2.0


class MailRole:
    """Reads the mailbox of this executor."""

    def __init__(
        self, mailbox: Mailbox, reader: LogReader, runs: Runs, renew_now: Callable[[], None]
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._runs = runs
        self._renew_now = renew_now

    def step(self) -> float:
        """Wait for one request and answer it."""
        try:
            item = self._mailbox.next(_WAIT_S)
        except MessageError as problem:
            telemetry.problem("mailbox.failed", problem)
            return 0.0
        if item is None:
            return 0.0
        if item.request is None:
            self._renew_now()
        else:
            self._mailbox.reply(item.request, self._answer(item.request))
        return 0.0

    def _answer(self, request: LogRequest) -> LogAnswer:
        run = self._runs.get(request.log_id)
        has_ended = run is None or run.has_ended
        piece = self._reader.read(
            request.log_date_time, request.log_id, request.from_line, has_ended=has_ended
        )
        return LogAnswer(
            from_line=piece.from_line,
            to_line=piece.to_line,
            content=piece.content,
            is_end=piece.is_end,
            message=piece.message,
            log_id=request.log_id,
        )
