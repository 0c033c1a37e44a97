"""Shows others how far the runs of this executor are: what children report goes to Redis."""

from __future__ import annotations

import threading
from collections import defaultdict

from redis import Redis

from baton.broker import progress as board
from baton.clock import SYSTEM_CLOCK
from baton.context import Progress

from .runs import Run

_GATHER_S = 0.2
"""What comes together is written together."""
_LOOK_EVERY_S = 1.0


class ProgressBoard:
    """Keeps the newest word of each run until it is written."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._newest: defaultdict[str, dict[int, Progress]] = defaultdict(dict)

    def note(self, run: Run, progress: Progress) -> None:
        """A child reports; the newest word counts."""
        with self._lock:
            self._newest[run.app_name][run.log_id] = progress
        self._news.set()

    def step(self) -> float:
        """Write what is new; a word that Redis does not take is dropped, the next one says more."""
        if not self._news.wait(_LOOK_EVERY_S):
            return 0.0
        self._news.clear()
        with self._lock:
            newest, self._newest = self._newest, defaultdict(dict)
        for app_name, of_runs in newest.items():
            board.publish(self._redis, app_name, of_runs, SYSTEM_CLOCK.now_ms())
        return _GATHER_S
