"""Inside a child: passes on what a run says about its progress, without a flood.

The first word goes to the parent at once. What follows within half a second waits, and the newest of
it goes then: the page is never far behind, and the last word is never lost. The run log gets a line
every ten seconds, and one at the end. A run that reports nothing costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from baton.context import Progress

_SAY_EVERY_S = 0.5
_LOG_EVERY_S = 10.0


class Reporter:
    """The progress of one run; called from any of its threads."""

    def __init__(
        self, ticket: int, mention: Callable[[list[Any]], None], write_line: Callable[[str], None]
    ) -> None:
        self._ticket = ticket
        self._mention = mention
        self._write_line = write_line
        self._lock = threading.Lock()
        self._newest: Progress | None = None
        self._said: Progress | None = None
        self._logged: Progress | None = None
        self._say_at_s = 0.0
        self._log_at_s = time.monotonic() + _LOG_EVERY_S
        self._timer: threading.Timer | None = None

    def __call__(self, progress: Progress) -> None:
        """The handler says how far it is."""
        with self._lock:
            self._newest = progress
            wait_s = self._say_at_s - time.monotonic()
            if wait_s <= 0:
                self._say()
            elif self._timer is None:
                self._timer = threading.Timer(wait_s, self._say_later)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """The run has ended: say the last word, here and in the log."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._say()
            self._log()

    def _say_later(self) -> None:
        with self._lock:
            self._timer = None
            self._say()

    def _say(self) -> None:
        newest = self._newest
        if newest is None or newest == self._said:
            return
        self._said = newest
        self._say_at_s = time.monotonic() + _SAY_EVERY_S
        self._mention(["progress", self._ticket, newest.fraction, newest.note])
        if time.monotonic() >= self._log_at_s:
            self._log()

    def _log(self) -> None:
        newest = self._newest
        if newest is not None and newest != self._logged:
            self._logged = newest
            self._log_at_s = time.monotonic() + _LOG_EVERY_S
            self._write_line(f"progress {newest.fraction:.0%} {newest.note}".rstrip())
