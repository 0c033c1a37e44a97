"""How an executor stops: runs finish, what is left goes back to its lanes, others are told.

Every word to Redis here is a goodbye. When Redis is away nobody hears it: that is logged, and the stop goes
on. Endings are in the spool by then, for the next start on this disk; runs that could not be handed
back are taken back from this executor when it is found dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from baton import telemetry
from baton.loop import Loop

from .courier import Courier
from .executor import Executor
from .kept import Kept
from .runs import Run, Runs
from .seats import Seats
from .spool import Spool

_LAST_SETTLE_S = 10.0
_WITHOUT_REDIS_S = 2.0
"""How long the last endings wait for a Redis that does not answer."""
_APPLIED_WITHIN_S = 1.0
_LOOK_AGAIN_S = 0.02
_LOOPS_END_WITHIN_S = 5.0


class Farewell:
    """The stop of one executor, on its main thread."""

    def __init__(
        self,
        executor: Executor,
        courier: Courier,
        runs: Runs,
        seats: Seats,
        spool: Spool,
        kept: Kept,
        *,
        is_hurried: Callable[[], bool],
    ) -> None:
        self._executor = executor
        self._courier = courier
        self._runs = runs
        self._seats = seats
        self._spool = spool
        self._kept = kept
        self._is_hurried = is_hurried
        self._left: list[Run] = []

    def drain(self, grace_s: float) -> None:
        """Let runs finish, hand the rest back unrun; a second signal hurries."""
        with self._courier.lease_lock:  # a claim that is on its way arrives before anything is handed back
            pass
        self._hand_back(self._executor.take_waiting())
        give_up_s = time.monotonic() + grace_s
        while self._executor.running() and time.monotonic() < give_up_s and not self._is_hurried():
            self._executor.step()
        self._hand_back([*self._executor.abort_all(), *self._executor.take_waiting()])
        self._settle_the_last()

    def end(self, loops: Sequence[Loop]) -> None:
        """Stop these loops and the children, say goodbye, and give the spool up."""
        for loop in reversed(loops):
            loop.stop()
        self._courier.wake()
        self._executor.close()
        end_by_s = time.monotonic() + _LOOPS_END_WITHIN_S
        for loop in loops:
            loop.join(max(0.0, end_by_s - time.monotonic()))
        self._wait_until_applied()
        for seat in self._seats:
            try:
                seat.consumer.leave()
            except RedisError as problem:
                _unheard(problem, group=seat.app_name)
        if self._spool.is_needed():
            telemetry.warning("spool.left", folder=self._spool.folder)
        self._spool.close()

    def _hand_back(self, runs: Sequence[Run]) -> None:
        """With what could not be handed back before."""
        self._left += runs
        try:
            self._seats.hand_back(self._left)
        except RedisError as problem:
            _unheard(problem, runs=len(self._left))
            return
        self._runs.drop(run.log_id for run in self._left)
        for each in self._left:
            self._spool.accepted(each.segment)
        self._left = []

    def _settle_the_last(self) -> None:
        began_s = time.monotonic()
        while not self._courier.is_idle():
            waited_s = time.monotonic() - began_s
            longest_s = _WITHOUT_REDIS_S if self._courier.is_cut_off else _LAST_SETTLE_S
            if waited_s >= longest_s:
                return
            self._executor.step()

    def _wait_until_applied(self) -> None:
        """So that an orderly stop leaves nothing on the disk."""
        give_up_s = time.monotonic() + _APPLIED_WITHIN_S
        while self._spool.is_needed() and not self._spool.open_endings() and time.monotonic() < give_up_s:
            try:
                self._kept.look()
            except RedisError as problem:
                _unheard(problem)
                return
            time.sleep(_LOOK_AGAIN_S)


def _unheard(problem: RedisError, **facts: object) -> None:
    telemetry.warning("process.goodbye_failed", problem=str(problem), **facts)
