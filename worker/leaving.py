"""Children that were let go: they run their handlers' destroy, and are made sure of."""

from __future__ import annotations

import time

from . import reaper
from .child_process import ChildProcess

LEAVE_WITHIN_S = 5.0


class Leaving:
    """Let go one by one while the executor runs, or all at its end."""

    def __init__(self, family: set[int]) -> None:
        self._family = family
        self._until_s: dict[ChildProcess, float] = {}

    def let_go(self, child: ChildProcess) -> None:
        """It has nothing to run: it may leave, and gets a few seconds for that."""
        child.hang_up()
        self._until_s[child] = time.monotonic() + LEAVE_WITHIN_S

    def look(self) -> None:
        """Bury those that left; kill those that should have."""
        now_s = time.monotonic()
        for child, until_s in list(self._until_s.items()):
            if now_s >= until_s or child.process.poll() is not None:
                self._bury(child)

    def wait(self) -> None:
        """Until all have left, which takes a few seconds at most."""
        for child, until_s in list(self._until_s.items()):
            child.wait_for_end(max(0.0, until_s - time.monotonic()))
            self._bury(child)

    def _bury(self, child: ChildProcess) -> None:
        child.destroy()
        del self._until_s[child]
        self._family.discard(child.pid)
        reaper.collect_orphans(self._family)
