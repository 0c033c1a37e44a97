"""Remembers for a moment that somebody did not answer."""

from __future__ import annotations

from baton.clock import Clock

LEFT_ALONE_S = 2.0


class Breaker:
    """Says whether to ask again, or to leave alone what failed a moment ago."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent_until_s = float("-inf")

    @property
    def allows(self) -> bool:
        """Whether it may be asked."""
        return self._clock.monotonic_s() >= self._silent_until_s

    def trip(self) -> None:
        """It failed just now."""
        self._silent_until_s = self._clock.monotonic_s() + LEFT_ALONE_S
