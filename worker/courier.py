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
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from baton import meters, telemetry
from baton.broker.consumer import MAX_SETTLE_RUNS, Claimed, Limit, Room, Settled
from baton.clock import SYSTEM_CLOCK
from baton.envelope import seal, unseal
from baton.errors import MessageError
from baton.failpoints import failpoint
from baton.messages import TriggerParam
from baton.vocabulary import Outcome

from . import outcome
from .abilities import Abilities
from .archiver import Archiver
from .executor import Executor
from .outcome import RunOutcome
from .runlog import LogFolder
from .runs import Run, Runs
from .seats import Seat, Seats
from .spool import Spool

_SAFETY_POLL_S = 1.0
_GATHER_S = 0.002
"""How long an ending waits for others, while there is room for many."""
_GATHERED_SHARE = 4
"""A part of the room that makes the round trip worthwhile at once."""
_FULL_PAUSE_S = 0.05
"""Lanes are ready, but none that there is room for: others get the wake-up before this one looks again."""


class Courier:
    """Claims for the free slots and settles what has ended."""

    def __init__(
        self,
        seats: Seats,
        runs: Runs,
        spool: Spool,
        abilities: Abilities,
        executor_id: str,
        logs: LogFolder,
        archiver: Archiver | None,
    ) -> None:
        self._logs = logs
        self._archiver = archiver
        self._seats = seats
        self._runs = runs
        self._spool = spool
        self._abilities = abilities
        self._executor_id = executor_id
        self._plain_room = 0
        self._coroutine_room = 0
        self._ended: deque[Run] = deque()
        self._surplus: deque[Run] = deque()
        self._was_woken = self._woke_in_vain = False
        self._work = threading.Event()
        self._hungry = {seat.app_name: threading.Event() for seat in seats}
        self.executor: Executor | None = None
        self.is_draining = False
        self.is_cut_off = False
        """Redis did not answer the last exchange."""
        self._drained: set[str] = set()
        self.lease_lock = threading.Lock()
        """Held while leases change, so that none is re-asserted while it is being settled."""

    def step(self) -> float:
        """Settle and claim once; then wait until there is something to carry."""
        self._work.clear()
        self._return_surplus()
        batch = [self._ended.popleft() for _ in range(min(len(self._ended), MAX_SETTLE_RUNS))]
        was_woken, self._was_woken = self._was_woken, False
        accepted = self._exchange(batch)
        self._woke_in_vain = was_woken and not accepted and bool(self._abilities.special)
        if accepted and self._archiver is not None:
            self._archiver.begun(accepted)
        if accepted and self.executor is not None:
            self.executor.submit(accepted)
        hungry = [seat.app_name for seat in self._seats if self._room(seat).is_any]
        if hungry and accepted:
            return 0.0
        for app_name in hungry:
            self._hungry[app_name].set()
        self._work.wait(_SAFETY_POLL_S)
        self._gather()
        return 0.0

    def wait_step(self, seat: Seat) -> float:
        """A thread for each group: blocks on its wake-up marker while there is room."""
        hungry = self._hungry[seat.app_name]
        # who claims nothing must not take the wake-up from those who do
        if hungry.wait(_SAFETY_POLL_S) and self.claims_from(seat.app_name):
            hungry.clear()
            if self._woke_in_vain:
                self._woke_in_vain = False
                time.sleep(_FULL_PAUSE_S)
            if seat.consumer.wait_for_work(_SAFETY_POLL_S):
                self._was_woken = True
                self._work.set()
            elif self._room(seat).is_any:
                hungry.set()
        return 0.0

    def wake(self) -> None:
        """There may be something to carry."""
        if not self._work.is_set():
            self._work.set()

    def claims_from(self, app_name: str) -> bool:
        """Whether runs of this group are welcome: nobody stops the executor, or drains it there.

        Nor has the spool reached its bound: endings must find room.
        """
        return not (self.is_draining or app_name in self._drained or self._spool.is_full)

    def set_drained(self, app_name: str, *, is_drained: bool) -> bool:
        """Claim from this group no more, or again; answers whether that is new."""
        if is_drained == (app_name in self._drained):
            return False
        if is_drained:
            self._drained.add(app_name)
        else:
            self._drained.discard(app_name)
            self.wake()
        return True

    def set_plain_room(self, room: int) -> None:
        """How many runs the warm children can take, begun or ahead."""
        self._plain_room = room
        self.wake()

    def set_coroutine_room(self, room: int) -> None:
        """How many runs the event loop can take."""
        self._coroutine_room = room
        self.wake()

    def return_unrun(self, runs: list[Run]) -> None:
        """No child here can run these: they go back to their lanes."""
        self._surplus.extend(runs)
        self.wake()

    def end(self, run: Run, ending: bytes | RunOutcome) -> None:
        """A run has ended: its ending goes out with the next exchange."""
        if isinstance(ending, RunOutcome):
            self._write_last_words(run, ending)
            ending = self._frame_of(run, replace(ending, ended_ms=SYSTEM_CLOCK.now_ms()))
            try:
                self._spool.write(run.segment, ending)
            except OSError as problem:
                telemetry.problem("settle.waiting", problem, **run.ids)
        self._spool.written(run.segment, ending)
        if self._archiver is not None:
            self._archiver.ended(run)
        run.frame, run.has_ended = ending, True
        self._ended.append(run)
        self.wake()

    def _write_last_words(self, run: Run, said: RunOutcome) -> None:
        """Its child did not come to do it."""
        if run.trigger is not None:
            line = outcome.last_line(said)
            self._logs.append(run.trigger.log_date_time, run.log_id, line, output=said.output)

    def waiting(self) -> int:
        """How many endings were not accepted."""
        return sum(run.has_ended for run in self._runs.all())

    def is_idle(self) -> bool:
        """Whether every ending has been accepted."""
        return not self._ended and all(not run.has_ended for run in self._runs.all())

    def _room(self, seat: Seat, leaving: Sequence[Run] = ()) -> Room:
        """What may be claimed from this group, once these runs have left."""
        if not self.claims_from(seat.app_name):
            return Room()
        coroutines = sum(run.is_coroutine for run in leaving)
        plain = len(leaving) - coroutines
        return Room(
            max(0, self._plain_room - self._runs.plain() + plain),
            max(0, self._coroutine_room - self._runs.coroutines() + coroutines),
            self._limits(leaving),
        )

    def _limits(self, leaving: Sequence[Run]) -> tuple[Limit, ...]:
        special = self._abilities.special
        if not special:
            return ()
        going = Counter(run.needs for run in leaving)

        def left(needs: str, concurrency: int) -> int | None:
            return max(0, concurrency - self._runs.count(needs) + going[needs]) if concurrency else None

        return tuple(
            Limit(needs, facts.is_async, left(needs, facts.concurrency)) for needs, facts in special.items()
        )

    def _gather(self) -> None:
        """Let endings come together while others are being run."""
        enough = max(1, (self._plain_room + self._coroutine_room) // _GATHERED_SHARE)
        give_up_s = time.monotonic() + _GATHER_S
        while len(self._ended) < min(enough, self._runs.here()) and time.monotonic() < give_up_s:
            self._work.clear()
            self._work.wait(_GATHER_S / 2)

    def _return_surplus(self) -> None:
        while self._surplus:
            runs = list(self._surplus)
            with self.lease_lock:
                self._seats.hand_back(runs)
                self._runs.drop(run.log_id for run in runs)
            for run in runs:
                if self._archiver is not None:
                    self._archiver.ended(run)
                self._surplus.popleft()
                self._spool.accepted(run.segment)
            telemetry.detail("claim.returned", runs=len(runs))

    def _exchange(self, batch: list[Run]) -> list[Run]:
        """Settle these, claim as many as there is room for; answers the runs to begin."""
        accepted: list[Run] = []
        left = deque(self._seats.in_turn())
        try:
            while left:
                seat = left[0]
                mine = [run for run in batch if run.app_name == seat.app_name]
                accepted += self._exchange_with(seat, mine)
                left.popleft()
        except Exception:
            self.is_cut_off = True
            names = {seat.app_name for seat in left}
            kept = [run for run in batch if run.app_name in names]
            self._ended.extendleft(reversed(kept))
            if kept:
                telemetry.warning("settle.waiting", runs=len(self._ended))
                self._spool.sync()
            if accepted and self.executor is not None:
                self.executor.submit(accepted)
            raise
        self.is_cut_off = False
        return accepted

    def _exchange_with(self, seat: Seat, batch: list[Run]) -> list[Run]:
        if batch:
            failpoint("settle.before")
        settled = [Settled(run.log_id, run.claimed.token, run.claimed.attempt, run.frame) for run in batch]
        with self.lease_lock:
            claimed = seat.consumer.settle_and_claim(settled, self._room(seat, batch))
            self._runs.drop(run.log_id for run in batch)
            accepted = [run for each in claimed if (run := self._accept(seat, each))]
        # Redis has these endings, the spool does not know yet: a crash here settles them once more
        if batch:
            failpoint("settle.done")
        for run in batch:
            self._spool.accepted(run.segment)
        if claimed:
            failpoint("claim.done")
            meters.CLAIMED.add(len(claimed), seat.app_name)
        return accepted

    def _accept(self, seat: Seat, claimed: Claimed) -> Run | None:
        """The run, if it can be run here; otherwise it has ended with the reason."""
        segment = self._spool.begin()
        try:
            trigger = unseal(claimed.frame, TriggerParam, seat.key)
        except MessageError as problem:
            telemetry.problem("claim.malformed", problem, log_id=claimed.log_id)
            self._refuse(Run(claimed, None, segment, seat.app_name), f"{type(problem).__name__}: {problem}")
            return None
        run = Run(claimed, trigger, segment, seat.app_name, self._abilities.is_coroutine(trigger))
        if trigger.log_id != claimed.log_id:
            self._refuse(run, f"Malformed: the message is for log id {trigger.log_id}")
        elif refusal := self._abilities.refusal(trigger):
            self._refuse(run, refusal)
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
            app_name=run.app_name,
            log_id=run.log_id,
            log_date_time=run.trigger.log_date_time if run.trigger else 0,
            executor_id=self._executor_id,
            attempt=run.claimed.attempt,
            token=run.claimed.token,
            trace_parent=run.trigger.trace_parent if run.trigger else "",
        )
        return seal(message, self._seats[run.app_name].key)
