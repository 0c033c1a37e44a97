"""Guessing passwords gets slower with every wrong guess; nobody is locked out for good.

Counted per name and per address, in the memory of this process: sign-in must be slowed down
also while Redis is away, and a guess costs the same 30 seconds with several web processes, only
as many times as there are processes. A name that does not exist is treated like one that does.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from baton.clock import Clock

FREE_TRIES_PER_NAME = 4
FREE_TRIES_PER_ADDRESS = 20
LONGEST_WAIT_S = 30.0
FORGOTTEN_AFTER_S = 15 * 60.0
_REMEMBERED = 10_000
"""Names and addresses kept; beyond that the one heard of longest ago is forgotten."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float


class Throttle:
    """Answers how long somebody has to wait before the next try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str) -> float:
        """Seconds until this name may be tried from this address; 0 when it may be now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            return max(self._wait_s(subject, free, now_s) for subject, free in _subjects(name, address))

    def failed(self, name: str, address: str) -> None:
        """Remember a wrong guess."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            for subject, _ in _subjects(name, address):
                known = self._failures.pop(subject, None)
                count = known.count if known and now_s - known.last_s < FORGOTTEN_AFTER_S else 0
                self._failures[subject] = _Failures(count + 1, now_s)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the wrong guesses of this name. The address keeps its own: it may try other names."""
        (subject, _), _ = _subjects(name, address)
        with self._lock:
            self._failures.pop(subject, None)

    def _wait_s(self, subject: str, free_tries: int, now_s: float) -> float:
        known = self._failures.get(subject)
        if known is None or known.count < free_tries or now_s - known.last_s >= FORGOTTEN_AFTER_S:
            return 0.0
        pause_s: float = min(2.0 ** min(known.count - free_tries, 10), LONGEST_WAIT_S)
        return max(0.0, known.last_s + pause_s - now_s)


def _subjects(name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (f"name {name.strip().casefold()[:200]}", FREE_TRIES_PER_NAME),
        (f"address {address}", FREE_TRIES_PER_ADDRESS),
    )
