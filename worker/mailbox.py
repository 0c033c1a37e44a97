"""Answers what others ask this executor: a piece of a run log; look at your stops now.

Who follows a log asks for what comes after its last byte, and says how long the answer may wait for
something to come. Such a request is parked: its file is looked at now and then, and nobody else waits.
An answer is put into Redis, where it expires; whether and how fast it is read changes nothing here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from baton import telemetry
from baton.broker.mailbox import LogRequest, Mailbox
from baton.errors import MessageError

from .logread import LogReader
from .runs import Runs

_WAIT_S = 2.0
_LOOK_S = 0.1
"""Between two looks at the files of parked requests."""
_LONGEST_PARK_S = 10.0
_MOST_PARKED = 64


@dataclass(frozen=True, slots=True)
class _Parked:
    request: LogRequest
    until_s: float


class MailRole:
    """Reads the mailbox of this executor."""

    def __init__(
        self, mailbox: Mailbox, reader: LogReader, runs: Runs, renew_now: Callable[[], None]
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._runs = runs
        self._renew_now = renew_now
        self._parked: list[_Parked] = []

    def step(self) -> float:
        """Wait for one request and answer it; then answer the parked ones for which something came."""
        try:
            item = self._mailbox.next(_LOOK_S if self._parked else _WAIT_S)
        except MessageError as problem:
            telemetry.problem("mailbox.failed", problem)
            return 0.0
        if item is not None and item.request is None:
            self._renew_now()
        elif item is not None and item.request is not None:
            self._take(item.request)
        self._look_at_parked()
        return 0.0

    def _take(self, request: LogRequest) -> None:
        wait_s = min(request.wait_ms / 1000, _LONGEST_PARK_S)
        if wait_s > 0 and len(self._parked) < _MOST_PARKED and not self._has_news(request):
            self._parked.append(_Parked(request, time.monotonic() + wait_s))
        else:
            self._reply(request)

    def _look_at_parked(self) -> None:
        now_s = time.monotonic()
        ready = [each for each in self._parked if now_s >= each.until_s or self._has_news(each.request)]
        for each in ready:
            self._parked.remove(each)
            self._reply(each.request)

    def _has_news(self, request: LogRequest) -> bool:
        return not self._is_growing(request) or self._reader.size(request) > request.from_byte

    def _is_growing(self, request: LogRequest) -> bool:
        run = self._runs.get(request.log_id)
        return run is not None and not run.has_ended

    def _reply(self, request: LogRequest) -> None:
        # asked before the file is read: what is in it after the end is all there will ever be
        is_growing = self._is_growing(request)
        self._mailbox.reply(request, self._reader.answer(request, is_growing=is_growing))
