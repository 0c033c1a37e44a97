"""Keeps the spool within its bound. A result is never dropped for it: the executor claims less instead.

The bound is for the whole spool directory, whoever wrote into it, quarantine aside. When it is
nearly reached, what Redis has accepted is let go: it was kept only in case Redis loses its data. What
remains then are endings that Redis does not take. At the bound nothing is claimed any more; what runs
comes to its end, and its ending is still written. Claiming goes on when the spool is relieved. A disk
that others have filled is told as nearly full, too.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from baton import telemetry
from baton.vocabulary import SpoolState

from .kept import Kept
from .quarantine import Quarantine
from .spool import QUARANTINE, Spool

_INTERVAL_S = 1.0
_NEARLY = 0.8
LEAST_FREE_BYTES = 16 * 1024 * 1024
"""With less the disk may refuse endings: they go to Redis all the same, but no crash may come between."""


@dataclass(frozen=True, slots=True)
class SpoolFacts:
    """What an executor says of its spool with each beat."""

    state: SpoolState = SpoolState.OK
    bytes: int = 0
    quarantined: int = 0
    """Files nobody can deliver."""


class SpoolGauge:
    """Looks at the spool about once a second."""

    def __init__(
        self,
        spool: Spool,
        kept: Kept,
        quarantine: Quarantine,
        limit_bytes: int,
        least_free_bytes: int = LEAST_FREE_BYTES,
    ) -> None:
        self._spool = spool
        self._kept = kept
        self._quarantine = quarantine
        self._limit_bytes = limit_bytes
        self._least_free_bytes = least_free_bytes
        self.facts = SpoolFacts()

    def step(self) -> float:
        """Measure, let go of what is only insurance, and say when the state has changed."""
        size = self._size()
        let_go = 0
        while size >= self._nearly_bytes and self._kept.let_go():
            let_go += 1
            size = self._size()
        if let_go:
            telemetry.warning("spool.let_go", segments=let_go, bytes=size, limit_bytes=self._limit_bytes)
        before = self.facts.state
        self.facts = SpoolFacts(self._state_at(size), size, len(self._quarantine.files()))
        self._spool.is_full = self.facts.state is SpoolState.FULL
        if self.facts.state is not before:
            self._tell(before)
        return _INTERVAL_S

    @property
    def _nearly_bytes(self) -> float:
        return self._limit_bytes * _NEARLY

    def _state_at(self, size: int) -> SpoolState:
        # once full it must be relieved, or claims would go on and off with every ending
        is_full = size >= self._limit_bytes or (self._spool.is_full and size >= self._nearly_bytes)
        if is_full:
            return SpoolState.FULL
        is_nearly_full = size >= self._nearly_bytes or self._free_bytes() < self._least_free_bytes
        return SpoolState.NEARLY_FULL if is_nearly_full else SpoolState.OK

    def _tell(self, before: SpoolState) -> None:
        numbers = {
            "bytes": self.facts.bytes, "limit_bytes": self._limit_bytes, "free_bytes": self._free_bytes(),
        }  # fmt: skip
        if self.facts.state is SpoolState.FULL:
            telemetry.warning("spool.full", **numbers)
        elif self.facts.state is SpoolState.NEARLY_FULL and before is SpoolState.OK:
            telemetry.warning("spool.nearly_full", **numbers)
        elif before is SpoolState.FULL:
            telemetry.event("spool.relieved", **numbers)

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._spool.spool_dir).free

    def _size(self) -> int:
        size = 0
        for folder, folders, names in os.walk(self._spool.spool_dir):
            folders[:] = [name for name in folders if name != QUARANTINE]  # which has a bound of its own
            size += sum(_size_of(Path(folder, name)) for name in names)
        return size


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # released while we looked
        return 0
