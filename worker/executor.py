"""Sends a claimed run to what can run it, and ends it there.

Functions and scripts run in warm children (`pool.py`), coroutines on the event loop of one child
(`coroutine_pool.py`). Other threads `submit` and `stop`; everything else happens on the main thread.
"""

from __future__ import annotations

from baton.broker.consumer import Stop

from .abilities import Abilities
from .coroutine_pool import CoroutinePool
from .ear import Ear
from .pool import Pool
from .runs import Run

_LONGEST_WAIT_S = 1.0


class Executor:
    """The two kinds of children, seen as one."""

    def __init__(self, ear: Ear, pool: Pool, coroutines: CoroutinePool, abilities: Abilities) -> None:
        self._ear = ear
        self._pool = pool
        self._coroutines = coroutines
        self._abilities = abilities

    # from any thread

    def submit(self, runs: list[Run]) -> None:
        """Run them as soon as there is room."""
        self._ear.post(lambda: self._submit(runs))

    def stop(self, log_id: int, stop: Stop) -> None:
        """End this run; the first reason stays."""
        self._ear.post(lambda: self._pool.stop(log_id, stop) or self._coroutines.stop(log_id, stop))

    def renew_children(self) -> None:
        """Let fresh children take new runs: what their handlers are made of has changed."""
        self._ear.post(self._pool.renew_children)
        self._ear.post(self._coroutines.renew_child)

    def wake(self) -> None:
        """Look around now."""
        self._ear.wake()

    # on the main thread

    def step(self) -> None:
        """Do what is due, then wait until a child or another thread says something."""
        self._pool.keep_children()
        if self._abilities.has_coroutines:
            self._coroutines.keep_child()
        self._ear.read_inbox()
        self._pool.dispatch()
        self._coroutines.dispatch()
        self._ear.wait(min(_LONGEST_WAIT_S, self._pool.patience_s(), self._coroutines.patience_s()))
        self._pool.check_clocks()
        self._coroutines.check_clocks()

    def running(self) -> int:
        """How many runs have begun."""
        return self._pool.running() + self._coroutines.running()

    def take_waiting(self) -> list[Run]:
        """The runs that have not begun; they are the caller's now."""
        self._ear.read_inbox()
        return [*self._pool.take_waiting(), *self._coroutines.take_waiting()]

    def abort_all(self) -> list[Run]:
        """Kill every child that has a run, with all it started; answers those runs, not ended."""
        return [*self._pool.abort_all(), *self._coroutines.abort_all()]

    def close(self) -> None:
        """Let idle children leave (their handlers' destroy runs), then make sure they are gone."""
        self._pool.close()
        self._coroutines.close()

    def _submit(self, runs: list[Run]) -> None:
        self._pool.submit([run for run in runs if not run.is_coroutine])
        self._coroutines.submit([run for run in runs if run.is_coroutine])
