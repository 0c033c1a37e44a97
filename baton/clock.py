"""Two clocks with two names, and the seam that tests use.

`now_ms` is the wall clock: it is stored and shown, and may jump. `monotonic_s` only
measures how long something took; it never jumps and means nothing to another process.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where a role gets its time from."""

    def now_ms(self) -> int:
        """Wall clock, milliseconds since the epoch."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
