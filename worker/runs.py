"""The runs this executor has a lease on: the one table its threads share."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from baton.broker.consumer import Claimed, Stop
from baton.messages import TriggerParam


@dataclass(slots=True, eq=False)
class Run:
    """One claimed run on its way through the executor."""

    claimed: Claimed
    trigger: TriggerParam | None
    """None: the message could not be opened; the run only waits to be settled."""
    segment: int
    stop: Stop | None = None
    has_ended: bool = False
    frame: bytes = field(default=b"")
    """The sealed ending, once there is one."""

    @property
    def log_id(self) -> int:
        """Its id."""
        return self.claimed.log_id


class Runs:
    """Claimed and not yet settled, by log id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, Run] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: Run) -> None:
        """A run was claimed."""
        with self._lock:
            self._runs[run.log_id] = run

    def drop(self, log_ids: Iterable[int]) -> None:
        """Runs were settled or handed back."""
        with self._lock:
            for log_id in log_ids:
                self._runs.pop(log_id, None)

    def get(self, log_id: int) -> Run | None:
        """The run, if it is ours and not settled."""
        with self._lock:
            return self._runs.get(log_id)

    def all(self) -> list[Run]:
        """All of them, as they are now."""
        with self._lock:
            return list(self._runs.values())

    def tokens(self) -> dict[int, int]:
        """Log id -> token of every lease."""
        return {run.log_id: run.claimed.token for run in self.all()}

    def busy(self) -> int:
        """How many have not ended."""
        return sum(not run.has_ended for run in self.all())
