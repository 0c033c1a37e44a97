"""Carries runs in and endings out: free room becomes claims, endings become settled runs.

One thread, one round trip: `settle_and_claim`. An ending stays in the spool, and its room taken,
until Redis has accepted it. A crash after the script and before the spool is told
(`settle.done`) settles again from the spool: the row has ended, nothing changes.

While many short runs come and go, endings wait for each other for a moment: a round trip costs
Redis about the same for one as for thirty.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

from baton import telemetry
from baton.broker.consumer import MAX_SETTLE_RUNS, Claimed, Consumer, Settled
from baton.clock import SYSTEM_CLOCK
from baton.envelope import seal, unseal
from baton.errors import MessageError
from baton.failpoints import failpoint
from baton.messages import BEAN, TriggerParam
from baton.vocabulary import Outcome

from . import outcome
from .outcome import RunOutcome
from .pool import Pool
from .runs import Run, Runs
from .spool import Spool

_SAFETY_POLL_S = 1.0
_GATHER_S = 0.002
"""How long an ending waits for others, while there is room for many."""
_GATHERED_SHARE = 4
"""A part of the room that makes the round trip worthwhile at once."""


class Courier:
    """Claims for the free slots and settles what has ended."""

    def __init__(
        self,
        consumer: Consumer,
        runs: Runs,
        spool: Spool,
        key: bytes,
        app_name: str,
        executor_id: str,
    ) -> None:
        self._consumer = consumer
        self._runs = runs
        self._spool = spool
        self._key = key
        self._app_name = app_name
        self._executor_id = executor_id
        self._room = 0
        self._ended: deque[Run] = deque()
        self._surplus: deque[Run] = deque()
        self._work = threading.Event()
        self._hungry = threading.Event()
        self.pool: Pool | None = None
        self.is_draining = False
        self.lease_lock = threading.Lock()
        """Held while leases change, so that none is re-asserted while it is being settled."""

    def step(self) -> float:
        """Settle and claim once; then wait until there is something to carry."""
        self._work.clear()
        self._return_surplus()
        batch = [self._ended.popleft() for _ in range(min(len(self._ended), MAX_SETTLE_RUNS))]
        accepted = self._exchange(batch)
        if accepted and self.pool is not None:
            self.pool.submit(accepted)
        if self._free() > 0:
            if accepted:
                return 0.0
            self._hungry.set()
        self._work.wait(_SAFETY_POLL_S)
        self._gather()
        return 0.0

    def wait_step(self) -> float:
        """The second thread: blocks on the wake-up marker while slots are free."""
        if self._hungry.wait(_SAFETY_POLL_S) and not self.is_draining:
            self._hungry.clear()
            if self._consumer.wait_for_work(_SAFETY_POLL_S):
                self._work.set()
            elif self._free() > 0:
                self._hungry.set()
        return 0.0

    def wake(self) -> None:
        """There may be something to carry."""
        if not self._work.is_set():
            self._work.set()

    def set_room(self, room: int) -> None:
        """How many runs the children can take, begun or ahead."""
        self._room = room
        self.wake()

    def return_unrun(self, runs: list[Run]) -> None:
        """No child here can begin these soon: they go back to their lanes."""
        self._surplus.extend(runs)
        self.wake()

    def end(self, run: Run, ending: bytes | RunOutcome) -> None:
        """A run has ended: its ending goes out with the next exchange."""
        if isinstance(ending, RunOutcome):
            ending = self._frame_of(run, replace(ending, ended_ms=SYSTEM_CLOCK.now_ms()))
            try:
                self._spool.write(run.segment, ending)
            except OSError as problem:
                telemetry.problem("settle.waiting", problem, log_id=run.log_id)
        run.frame, run.has_ended = ending, True
        self._ended.append(run)
        self.wake()

    def is_idle(self) -> bool:
        """Whether every ending has been accepted."""
        return not self._ended and all(not run.has_ended for run in self._runs.all())

    def _free(self) -> int:
        return 0 if self.is_draining else self._room - len(self._runs)

    def _gather(self) -> None:
        """Let endings come together while others are being run."""
        enough = max(1, self._room // _GATHERED_SHARE)
        give_up_s = time.monotonic() + _GATHER_S
        while len(self._ended) < min(enough, len(self._runs)) and time.monotonic() < give_up_s:
            self._work.clear()
            self._work.wait(_GATHER_S / 2)

    def _return_surplus(self) -> None:
        while self._surplus:
            runs = list(self._surplus)
            with self.lease_lock:
                self._consumer.hand_back({run.log_id: run.claimed.token for run in runs})
                self._runs.drop(run.log_id for run in runs)
            for run in runs:
                self._surplus.popleft()
                self._spool.accepted(run.segment)
            telemetry.detail("claim.returned", runs=len(runs))

    def _exchange(self, batch: list[Run]) -> list[Run]:
        """Settle these, claim as many as there is room for; answers the runs to begin."""
        if batch:
            failpoint("settle.before")
        settled = [Settled(run.log_id, run.claimed.token, run.claimed.attempt, run.frame) for run in batch]
        try:
            with self.lease_lock:
                free = 0 if self.is_draining else self._free() + len(batch)
                claimed = self._consumer.settle_and_claim(settled, free)
                self._runs.drop(run.log_id for run in batch)
                accepted = [run for each in claimed if (run := self._accept(each))]
        except Exception:
            self._ended.extendleft(reversed(batch))
            if batch:
                telemetry.warning("settle.waiting", runs=len(self._ended))
                self._spool.sync()
            raise
        # Redis has these endings, the spool does not know yet: a crash here settles them once more
        if batch:
            failpoint("settle.done")
        for run in batch:
            self._spool.accepted(run.segment)
        if claimed:
            failpoint("claim.done")
        return accepted

    def _accept(self, claimed: Claimed) -> Run | None:
        """The run, if it can be run here; otherwise it has ended with the reason."""
        segment = self._spool.begin()
        try:
            trigger = unseal(claimed.frame, TriggerParam, self._key)
        except MessageError as problem:
            telemetry.problem("claim.malformed", problem, log_id=claimed.log_id)
            self._refuse(Run(claimed, None, segment), f"{type(problem).__name__}: {problem}")
            return None
        run = Run(claimed, trigger, segment)
        if trigger.log_id != claimed.log_id:
            self._refuse(run, f"Malformed: the message is for log id {trigger.log_id}")
        elif trigger.glue_type != BEAN:
            self._refuse(run, f"glueType[{trigger.glue_type}] is not valid.")
        else:
            self._runs.add(run)
            return run
        return None

    def _refuse(self, run: Run, message: str) -> None:
        self._runs.add(run)
        self.end(run, RunOutcome(Outcome.FAILED, message))

    def _frame_of(self, run: Run, ended: RunOutcome) -> bytes:
        message = outcome.callback(
            ended,
            app_name=self._app_name,
            log_id=run.log_id,
            log_date_time=run.trigger.log_date_time if run.trigger else 0,
            executor_id=self._executor_id,
            attempt=run.claimed.attempt,
            token=run.claimed.token,
        )
        return seal(message, self._key)
