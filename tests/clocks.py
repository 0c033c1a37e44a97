"""A clock that moves when the test says so."""

from __future__ import annotations

from dataclasses import dataclass

NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00:00 UTC: a moment without daylight saving surprises."""


@dataclass(slots=True)
class FakeClock:
    """Both clocks of `baton.clock.Clock`, standing still between calls of `advance`."""

    wall_ms: int = NOON_MS
    elapsed_s: float = 1000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.wall_ms += round(seconds * 1000)
        self.elapsed_s += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; nothing else happened."""
        self.wall_ms += round(seconds * 1000)
