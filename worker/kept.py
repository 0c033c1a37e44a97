"""Keeps endings until their results are applied, and hands them over again if Redis lost its data.

Once a second it looks at each group. When every result that stood in the stream after the last
acceptance of a segment has left it, the rows have their endings, and the segment goes. When Redis was
restarted, emptied or replaced, what stood in the stream may be lost: everything that is kept is handed
over once more, while the group is still closed, so that nothing of it runs again. A result that was
not lost is repeated by that, which changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

from redis import Redis

from baton import telemetry
from baton.broker import memory
from baton.broker.consumer import Settled
from baton.broker.memory import Glance
from baton.envelope import unseal
from baton.errors import MessageError
from baton.failpoints import failpoint
from baton.messages import HandleCallbackParam

from .runs import Run, Runs
from .seats import Seat, Seats
from .spool import Spool

LONGEST_INTERVAL_S = 1.0
_MANY_SEGMENTS = 60
"""While so many wait for the callbacks process, another is begun only when the last is full."""
_SETTLED_AT_ONCE_BYTES = 1024 * 1024
"""Large messages go a few at a time: the server stands still while a script runs."""


class Kept:
    """What Redis accepted and nobody may have applied yet."""

    def __init__(
        self, spool: Spool, seats: Seats, runs: Runs, redis: Redis, *, interval_s: float = LONGEST_INTERVAL_S
    ) -> None:
        self._spool = spool
        self._seats = seats
        self._runs = runs
        self._redis = redis
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._glances: dict[str, Glance] = {}
        self._marks: dict[int, dict[str, str]] = {}
        """For each segment that is wholly accepted: what must have left the streams before it may go."""

    def step(self) -> float:
        """Look once; raises when Redis is away."""
        self.look()
        return self._interval_s

    def look(self) -> None:
        """Hand over again what may be lost, release what is applied."""
        with self._lock:
            if len(self._spool.all_accepted()) < _MANY_SEGMENTS:
                self._spool.begin_another()
            # before the look, or it would be older than the last acceptance
            accepted = self._spool.all_accepted()
            glances = {seat.app_name: memory.look(self._redis, seat.app_name) for seat in self._seats}
            forgetful = [
                seat
                for seat in self._seats
                if not glances[seat.app_name].continues(self._glances.get(seat.app_name))
            ]
            if forgetful:
                self._hand_over_again(forgetful)
            else:
                for segment in accepted:
                    self._look_at(segment, glances)
            self._glances = glances

    def let_go(self) -> bool:
        """Release the oldest segment although it may not be applied; False if there is none.

        Its results stand in the stream, where they are as safe as Redis is.
        """
        with self._lock:
            accepted = self._spool.all_accepted()
            if accepted:
                self._release(accepted[0])
            return bool(accepted)

    def _look_at(self, segment: int, glances: dict[str, Glance]) -> None:
        marks = self._marks.get(segment)
        if marks is None:
            self._marks[segment] = marks = {name: glance.newest for name, glance in glances.items()}
        if all(glance.has_passed(marks[name]) for name, glance in glances.items()):
            self._release(segment)

    def _release(self, segment: int) -> None:
        self._marks.pop(segment, None)
        self._spool.release(segment)

    def _hand_over_again(self, seats: Sequence[Seat]) -> None:
        self._marks.clear()
        runs = 0
        for segment in self._spool.all():
            frames = self._spool.frames(segment)
            runs += sum(settle_all(seat, frames, self._runs) for seat in seats)
        # Redis has them again, this process does not know: a crash here repeats them, nothing changes
        failpoint("kept.settled")
        if runs:
            telemetry.event("spool.handed_over_again", runs=runs)


def settle_all(seat: Seat, frames: Iterable[bytes], runs: Runs) -> int:
    """Settle the endings of this seat's group, but not those the courier is about to; answers how many."""
    settled = [each for each in _said_by(seat, frames) if not _is_held(runs, each)]
    for batch in _batches(settled):
        seat.consumer.settle(batch)
    return len(settled)


def find_ending(spool: Spool, seat: Seat, run: Run) -> bytes | None:
    """What a child wrote about the end of this run before it could tell."""
    for each in _said_by(seat, spool.frames(run.segment)):
        if (each.log_id, each.token) == (run.log_id, run.claimed.token):
            return each.frame
    return None


def _said_by(seat: Seat, frames: Iterable[bytes]) -> Iterator[Settled]:
    for frame in frames:
        try:
            said = unseal(frame, HandleCallbackParam, seat.key)
        except MessageError:
            continue  # of another group
        yield Settled(said.log_id, said.token, said.attempt, frame)


def _is_held(runs: Runs, settled: Settled) -> bool:
    run = runs.get(settled.log_id)
    return run is not None and run.claimed.token == settled.token


def _batches(settled: Sequence[Settled]) -> Iterator[list[Settled]]:
    """In order; a run stands in a batch once, or one of its endings would be dropped."""
    batch: dict[int, Settled] = {}
    size = 0
    for each in settled:
        if batch and (each.log_id in batch or size + len(each.frame) > _SETTLED_AT_ONCE_BYTES):
            yield list(batch.values())
            batch, size = {}, 0
        batch[each.log_id] = each
        size += len(each.frame)
    if batch:
        yield list(batch.values())
