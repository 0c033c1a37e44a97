"""Warm child processes: one run at a time in each, replaced at once when one is killed.

Everything here happens on the main thread, because the tie that ends a child with its parent
(PR_SET_PDEATHSIG) is to the thread that started it. Other threads only `submit` and `stop`, which
put a word into the inbox and wake the loop. A killed or timed-out child is never used again, and
its run counts as ended only when nothing it started is alive.

While runs are short, each child is given some ahead (`pace.py` says how many). A run behind one
that turns out to be long is taken back, and what no other child can begin at once goes back to
its lane, for whoever is free.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from baton import telemetry
from baton.broker.consumer import Stop
from baton.failpoints import failpoint
from baton.vocabulary import Outcome

from . import reaper, warm_child
from .outcome import RunOutcome
from .pace import PATIENCE_S, Pace
from .runs import Run
from .warm_child import WarmChild

_LONGEST_WAIT_S = 1.0
_PAUSE_AFTER_FAILED_START_S = 0.1
_LEAVE_WITHIN_S = 5.0
_RUNNING_SUFFIX = " [job running, killed]"
_WAITING_SUFFIX = " [job not executed, in the job queue, killed.]"
TIMEOUT_MESSAGE = "job execute timeout"


class Pool:
    """Starts children, gives them runs, ends them."""

    def __init__(
        self,
        *,
        slots: int,
        kill_grace_s: float,
        child_settings: dict[str, Any],
        on_ended: Callable[[Run, bytes | RunOutcome], None],
        on_surplus: Callable[[list[Run]], None],
        on_room: Callable[[int], None],
        written_ending: Callable[[Run], bytes | None],
        on_handlers: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._slots = slots
        self._kill_grace_s = kill_grace_s
        self._child_settings = child_settings
        self._on_ended = on_ended
        self._on_surplus = on_surplus
        self._on_room = on_room
        self._written_ending = written_ending
        self._on_handlers = on_handlers
        self._children: dict[int, WarmChild] = {}
        self._waiting: deque[Run] = deque()
        self._stuck_since_s = 0.0
        self._inbox: deque[Callable[[], None]] = deque()
        self._pace = Pace()
        self._room = 0
        self._started = 0
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ, None)

    # from any thread

    def submit(self, runs: list[Run]) -> None:
        """Run them as soon as children are free."""
        self._post(lambda: self._waiting.extend(runs))

    def stop(self, log_id: int, stop: Stop) -> None:
        """End this run; the first reason stays."""
        self._post(lambda: self._stop(log_id, stop))

    def wake(self) -> None:
        """Let the loop look around now."""
        with contextlib.suppress(BlockingIOError):
            self._wake_sender.send(b"w")

    def _post(self, word: Callable[[], None]) -> None:
        self._inbox.append(word)
        self.wake()

    # on the main thread

    def step(self) -> None:
        """Do what is due, then wait until a child or another thread says something."""
        self._keep_children()
        self._read_inbox()
        self._dispatch()
        for key, _events in self._selector.select(self._patience_s()):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(4096)
            else:
                self._hear(key.data)
        self._check_clocks()

    def running(self) -> int:
        """How many children have a run."""
        return sum(child.run is not None for child in self._children.values())

    def take_waiting(self) -> list[Run]:
        """The runs that no child has begun; they are the caller's now."""
        self._read_inbox()
        for child in self._children.values():
            self._waiting.extend(child.take_back())
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def abort_all(self) -> list[Run]:
        """Kill every child that has a run, with all it started; answers those runs, not ended."""
        aborted: list[Run] = []
        for child in list(self._children.values()):
            if child.run is not None:
                aborted += child.take_back()
                aborted += child.runs
                self._remove(child)
        return aborted

    def close(self) -> None:
        """Let idle children leave (their handlers' destroy runs), then make sure they are gone."""
        children = list(self._children.values())
        for child in children:
            self._selector.unregister(child.connection)
            child.hang_up()
        deadline_s = time.monotonic() + _LEAVE_WITHIN_S
        for child in children:
            child.wait_for_end(max(0.0, deadline_s - time.monotonic()))
            child.destroy()
        self._children.clear()

    def _read_inbox(self) -> None:
        for _ in range(len(self._inbox)):  # what is posted meanwhile waits for the next step
            self._inbox.popleft()()

    # giving

    def _keep_children(self) -> None:
        # one more than slots: a killed child's replacement is warm before it is needed
        while len(self._children) < self._slots + 1:
            self._started += 1
            marker = f"{self._child_settings['executor_id']}.{self._started}"
            child = warm_child.start(marker, self._child_settings)
            self._children[child.pid] = child
            self._selector.register(child.connection, selectors.EVENT_READ, child)

    def _dispatch(self) -> None:
        """Each child gets its first run before one gets its second."""
        takers = self._takers()
        before = len(self._waiting)
        for level in range(1, self._pace.depth + 1):
            for child, limit in takers:
                is_next = len(child.runs) < min(level, limit)
                if is_next and self._waiting and child.fits(self._waiting[0]):
                    child.give(self._waiting.popleft())
            if not self._waiting:
                break
        for child, _limit in takers:
            child.send()
        if not self._waiting:
            self._stuck_since_s = 0.0
        elif not self._stuck_since_s or len(self._waiting) < before:
            self._stuck_since_s = time.monotonic()
        self._tell_room(sum(limit for _child, limit in takers))

    def _takers(self) -> list[tuple[WarmChild, int]]:
        """The children at work, and as many idle ones as there are free slots; how many each may have."""
        working = [child for child in self._children.values() if child.runs]
        idle = [child for child in self._children.values() if child.is_ready and not child.runs]
        takers = working + idle[: max(0, self._slots - len(working))]
        now_s = time.monotonic()
        return [(child, child.may_have(self._pace.depth, now_s)) for child in takers]

    def _tell_room(self, room: int) -> None:
        """How many runs may be here, begun or ahead: the courier claims up to that many."""
        if room != self._room:
            self._room = room
            self._on_room(room)

    def _return_surplus(self) -> None:
        """No child took one for a while: they go back to their lanes, for whoever is free."""
        surplus = list(self._waiting)
        self._waiting.clear()
        self._on_surplus(surplus)

    # hearing

    def _hear(self, child: WarmChild) -> None:
        messages = child.reader.read()
        if messages is None:
            self._bury(child)
            return
        for message in messages:
            if message[0] == "ready":
                self._on_ready(child, message[1], message[2])
            else:
                self._on_run_ended(child, message[1], message[2], was_cancelled=message[3])

    def _on_ready(self, child: WarmChild, names: list[str], problem: str) -> None:
        child.is_ready = True
        if problem:
            telemetry.warning("child.failed", problem=problem)
        self._on_handlers(tuple(names))

    def _on_run_ended(self, child: WarmChild, ticket: int, frame: bytes, *, was_cancelled: bool) -> None:
        began_s = child.began_s
        took_s = time.monotonic() - began_s
        run = child.ended(ticket)
        if run is None:
            return
        if run.stop is not None and was_cancelled:
            self._end_stopped(child, run, run.stop, "it ended after SIGTERM", began_s)
            return
        self._pace.ran(took_s)
        if child.kill_at_s:
            # it came to its own end before the signal: that is the truth, but the child was signalled
            self._remove(child)
        self._on_ended(run, frame)

    # ending

    def _stop(self, log_id: int, stop: Stop) -> None:
        for run in self._waiting:
            if run.log_id == log_id:
                self._waiting.remove(run)
                self._end_waiting(run, stop)
                return
        for child in self._children.values():
            for run in child.runs:
                if run.log_id == log_id and run.stop is None:
                    self._interrupt(child, run, stop)
                    return

    def _interrupt(self, child: WarmChild, run: Run, stop: Stop) -> None:
        """End a run that was given to a child, whether it has begun or not."""
        taken = child.take_back()
        self._waiting.extendleft(reversed([each for each in taken if each is not run]))
        if run in taken:
            self._end_waiting(run, stop)
        elif child.run is run and len(child.runs) == 1:
            run.stop = stop
            child.kill_at_s = time.monotonic() + self._kill_grace_s
            child.ask_to_end()
        elif child.run is not run:
            # the one before it has ended, and that word is on the way: ask again when it was heard
            self.stop(run.log_id, stop)
        # else the child has begun the next one: this one has ended, and its word is on the way

    def _end_waiting(self, run: Run, stop: Stop) -> None:
        self._on_ended(run, RunOutcome(stop.outcome, stop.reason + _WAITING_SUFFIX))

    def _check_clocks(self) -> None:
        now_s = time.monotonic()
        for child in list(self._children.values()):
            run = child.run
            if run is None:
                continue
            if run.stop is not None:
                if now_s >= child.kill_at_s:
                    self._end_stopped(child, run, run.stop, "it ignored SIGTERM, was killed", child.began_s)
            elif child.timeout_at_s and now_s >= child.timeout_at_s:
                self._interrupt(child, run, Stop(Outcome.TIMED_OUT, TIMEOUT_MESSAGE))
            elif len(child.runs) > 1 and now_s >= child.began_s + PATIENCE_S:
                self._waiting.extendleft(reversed(child.take_back()))
        if self._stuck_since_s and now_s >= self._stuck_since_s + PATIENCE_S:
            self._return_surplus()

    def _patience_s(self) -> float:
        """Until the next clock goes off."""
        clocks = [_next_clock_s(child) for child in self._children.values() if child.runs]
        if self._stuck_since_s:
            clocks.append(self._stuck_since_s + PATIENCE_S)
        if not clocks:
            return _LONGEST_WAIT_S
        return min(_LONGEST_WAIT_S, max(0.0, min(clocks) - time.monotonic()))

    def _end_stopped(self, child: WarmChild, run: Run, stop: Stop, how: str, began_s: float) -> None:
        self._remove(child)
        telemetry.event("run.killed", log_id=run.log_id, outcome=stop.outcome, how=how)
        suffix = "" if stop.outcome is Outcome.TIMED_OUT else _RUNNING_SUFFIX
        self._on_ended(run, RunOutcome(stop.outcome, stop.reason + suffix, _wall_ms(began_s)))

    def _bury(self, child: WarmChild) -> None:
        """A child is gone by itself; its run ends as what is known of it."""
        self._waiting.extendleft(reversed(child.take_back()))
        run = child.run
        self._remove(child)
        if run is None:
            if not child.is_ready:
                # a child that cannot even start must not be started in a busy loop
                time.sleep(_PAUSE_AFTER_FAILED_START_S)
            return
        if run.stop is not None:
            said = RunOutcome(run.stop.outcome, run.stop.reason + _RUNNING_SUFFIX, _wall_ms(child.began_s))
            self._on_ended(run, said)
            return
        written = self._written_ending(run)
        if written is not None:  # it died between the journal and its answer
            self._on_ended(run, written)
            return
        how = _how_it_ended(child.process.returncode)
        telemetry.warning("child.died", log_id=run.log_id, how=how)
        message = f"the process of the handler {how} while it ran"
        self._on_ended(run, RunOutcome(Outcome.FAILED, message, _wall_ms(child.began_s)))

    def _remove(self, child: WarmChild) -> None:
        self._selector.unregister(child.connection)
        child.destroy()
        del self._children[child.pid]
        reaper.collect_orphans(set(self._children))
        failpoint("run.killed")


def _wall_ms(began_s: float) -> int:
    """When a run began that its child cannot speak for any more."""
    return round((time.time() - (time.monotonic() - began_s)) * 1000)


def _next_clock_s(child: WarmChild) -> float:
    if child.kill_at_s:
        return child.kill_at_s
    patience_ends_s = child.began_s + PATIENCE_S if len(child.runs) > 1 else 0.0
    return min((at_s for at_s in (child.timeout_at_s, patience_ends_s) if at_s), default=float("inf"))


def _how_it_ended(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"exited with code {returncode}"
