"""Hands over the endings that executors before this one left on the disk."""

from __future__ import annotations

from baton import telemetry
from baton.failpoints import failpoint

from .kept import settle_all
from .orphans import Orphans
from .runs import Runs
from .seats import Seats
from .spool import Spool

_INTERVAL_S = 30.0


class Replay:
    """Adopts what executors that are gone left, and delivers it in order."""

    def __init__(self, spool: Spool, orphans: Orphans, seats: Seats, runs: Runs) -> None:
        self._spool = spool
        self._orphans = orphans
        self._seats = seats
        self._runs = runs

    def step(self) -> float:
        """Look once; raises while Redis is away, and its loop backs off."""
        try:
            self._orphans.adopt()
        except OSError as problem:  # what is adopted already need not wait for the disk
            telemetry.problem("spool.failed", problem)
        for segment in self._spool.adopted():
            self._deliver(segment)
        return _INTERVAL_S

    def _deliver(self, segment: int) -> None:
        frames = self._spool.frames(segment)
        runs = sum(settle_all(seat, frames, self._runs) for seat in self._seats)
        # accepted, and not noted: a crash here delivers them again, which changes nothing
        failpoint("spool.replayed")
        self._spool.handed_over(segment)
        telemetry.event("spool.replayed", runs=runs)
