"""The runs this executor has a lease on: the one table its threads share."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from baton.broker.consumer import Claimed, Stop
from baton.messages import TriggerParam


@dataclass(slots=True, eq=False)
class Run:
    """One claimed run on its way through the executor."""

    claimed: Claimed
    trigger: TriggerParam | None
    """None: the message could not be opened; the run only waits to be settled."""
    segment: int
    app_name: str
    """The group it was claimed from."""
    is_coroutine: bool = False
    stop: Stop | None = None
    has_ended: bool = False
    frame: bytes = field(default=b"")
    """The sealed ending, once there is one."""

    @property
    def log_id(self) -> int:
        """Its id."""
        return self.claimed.log_id

    @property
    def ids(self) -> dict[str, int]:
        """What a line of the process log names it by; its job only if its message could be opened."""
        job = {"job_id": self.trigger.job_id} if self.trigger is not None else {}
        return {**job, "log_id": self.log_id}

    @property
    def needs(self) -> str:
        """What it needs of an executor; empty if its message could not be opened."""
        return self.trigger.needs if self.trigger is not None else ""

    def message(self, ticket: int) -> list[Any]:
        """What gives it to a child, under this ticket."""
        if self.trigger is None:
            raise ValueError("a run without a message cannot be started")
        return [
            "run", ticket, self.segment, self.claimed.token, self.claimed.attempt, self.trigger.to_map(),
        ]  # fmt: skip


class Runs:
    """Claimed and not yet settled, by log id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[int, Run] = {}
        self._count: Counter[str] = Counter()
        self._coroutines = 0

    def here(self) -> int:
        """How many there are."""
        return len(self._runs)

    def plain(self) -> int:
        """How many are for a child of their own."""
        return len(self._runs) - self._coroutines

    def coroutines(self) -> int:
        """How many are for the event loop."""
        return self._coroutines

    def count(self, needs: str) -> int:
        """How many need this handler."""
        return self._count[needs]

    def add(self, run: Run) -> None:
        """A run was claimed."""
        with self._lock:
            self._forget(run.log_id)
            self._runs[run.log_id] = run
            self._count[run.needs] += 1
            self._coroutines += run.is_coroutine

    def drop(self, log_ids: Iterable[int]) -> None:
        """Runs were settled or handed back."""
        with self._lock:
            for log_id in log_ids:
                self._forget(log_id)

    def get(self, log_id: int) -> Run | None:
        """The run, if it is ours and not settled."""
        with self._lock:
            return self._runs.get(log_id)

    def all(self) -> list[Run]:
        """All of them, as they are now."""
        with self._lock:
            return list(self._runs.values())

    def of(self, app_name: str) -> list[Run]:
        """Those of one group."""
        return [run for run in self.all() if run.app_name == app_name]

    def busy(self) -> int:
        """How many have not ended."""
        return sum(not run.has_ended for run in self.all())

    def _forget(self, log_id: int) -> None:
        run = self._runs.pop(log_id, None)
        if run is not None:
            self._coroutines -= run.is_coroutine
            self._count[run.needs] -= 1
            if not self._count[run.needs]:
                del self._count[run.needs]
