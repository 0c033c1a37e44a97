"""Renews all leases with each beat, and stops the runs this executor may not have any more.

What is trusted: this process's monotonic clock, counted from the *start* of the last renewal that
succeeded. An observer takes the runs of an executor back when its counter stood still for
`dead_after_s`; this executor stops them itself before that, so that no two run at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from baton import telemetry
from baton.broker.consumer import Stop
from baton.broker.presence import ExecutorInfo
from baton.clock import Clock
from baton.vocabulary import Outcome

from .courier import Courier
from .executor import Executor
from .runs import Runs
from .seats import Seat

_LOST = "the executor could not renew its lease for {:.1f} s and stopped the run itself"
_TAKEN = Stop(Outcome.LOST, "another executor has the lease of this run now")


class Leases:
    """Beats in one group; obeys what the answer says."""

    def __init__(
        self,
        seat: Seat,
        runs: Runs,
        executor: Executor,
        courier: Courier,
        clock: Clock,
        info: Callable[[], ExecutorInfo],
        *,
        before_hand_back: Callable[[], None],
        beat_interval_s: float,
        dead_after_s: float,
    ) -> None:
        self._seat = seat
        self._runs = runs
        self._executor = executor
        self._courier = courier
        self._clock = clock
        self._info = info
        self._before_hand_back = before_hand_back
        self._beat_interval_s = beat_interval_s
        # a margin of one beat, at most 2 s, between stopping here and being taken back there
        self._fence_after_s = dead_after_s - min(2.0, beat_interval_s)
        self._renewed_s = clock.monotonic_s()
        self._orphans: dict[int, int] = {}

    def step(self) -> float:
        """One beat; answers the seconds to the next."""
        started_s = self._clock.monotonic_s()
        try:
            is_new = self._renew()
        except Exception:
            if started_s - self._renewed_s >= self._fence_after_s:
                self._fence(started_s - self._renewed_s)
            raise
        self._renewed_s = started_s
        return 0.0 if is_new else self._beat_interval_s

    def _renew(self) -> bool:
        """Answers whether others should hear at once what this changed."""
        answer = self._seat.consumer.renew(self._info(), self._tokens())
        for log_id, stop in answer.stop.items():
            self._executor.stop(log_id, stop)
        for log_id in answer.stale:
            self._lose(log_id)
        if answer.unknown:
            self._reassert(answer.unknown)
        self._hand_back_orphans(answer.orphans)
        return self._courier.set_drained(self._seat.app_name, is_drained=answer.is_drained)

    def _tokens(self) -> dict[int, int]:
        return {run.log_id: run.claimed.token for run in self._runs.of(self._seat.app_name)}

    def _reassert(self, log_ids: set[int]) -> None:
        # under the lock: a run that is being settled now must not get a lease again
        with self._courier.lease_lock:
            runs = [
                run
                for run in self._runs.of(self._seat.app_name)
                if run.log_id in log_ids and not run.has_ended
            ]
            refused = self._seat.consumer.reassert([run.claimed for run in runs])
        for log_id in refused:
            self._lose(log_id)

    def _hand_back_orphans(self, orphans: dict[int, int]) -> None:
        # the answer to a claim may still be on its way: only a lease that two renewals name goes back,
        # and no claim is under way while it does
        named_before, self._orphans = self._orphans, orphans
        if orphans:
            # a Redis that lost its last writes names runs that have ended: these must not run again
            self._before_hand_back()
        with self._courier.lease_lock:
            lost = {
                log_id: token
                for log_id, token in orphans.items()
                if named_before.get(log_id) == token and self._runs.get(log_id) is None
            }
            self._seat.consumer.hand_back(lost)

    def _lose(self, log_id: int) -> None:
        run = self._runs.get(log_id)
        telemetry.warning("lease.lost", **(run.ids if run is not None else {"log_id": log_id}))
        self._executor.stop(log_id, _TAKEN)

    def _fence(self, silent_s: float) -> None:
        lost = Stop(Outcome.LOST, _LOST.format(silent_s))
        for run in self._runs.of(self._seat.app_name):
            if not run.has_ended and run.stop is None:
                telemetry.warning("lease.lost", **run.ids)
                self._executor.stop(run.log_id, lost)
