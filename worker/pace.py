"""How many runs a child is given ahead: many while runs are short, none when they are long.

To wait for the parent after each run costs a short run more than it takes itself. So as many are
given ahead as take `_AHEAD_S` together. A guess may be wrong: a run that waited `PATIENCE_S`
behind another one is taken back.
"""

from __future__ import annotations

PATIENCE_S = 0.02
_AHEAD_S = 0.01
_DEEPEST = 32
_WEIGHT = 0.1
"""Of the newest run in the moving average."""


class Pace:
    """A moving average of run times."""

    def __init__(self) -> None:
        self._mean_s = _AHEAD_S
        self.depth = 1
        """How many runs a child may have: the one it runs, and those ahead."""

    def ran(self, took_s: float) -> None:
        """A run ended that took so long."""
        self._mean_s += _WEIGHT * (took_s - self._mean_s)
        self.depth = max(1, min(_DEEPEST, int(_AHEAD_S / max(self._mean_s, 1e-6))))
