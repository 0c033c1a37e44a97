"""The event loop of this executor, seen from outside: one child that runs many coroutines.

The child begins at once what it is given, so a run that was given counts as begun. To end one, the
parent asks, and the child cancels its task again and again. What does not end that way can only be
ended with the whole process: its neighbours get the time they need, while a fresh child takes new
runs. A loop that does not even answer is blocked; nobody on it can go on, and it is killed at once.
A neighbour that is cut off goes back to its lane if its job says that lost runs run again, and fails
otherwise.

Everything here happens on the main thread (`ear.py` says why).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from baton import telemetry
from baton.broker.consumer import Stop
from baton.context import Progress
from baton.failpoints import failpoint
from baton.messages import TriggerParam
from baton.vocabulary import GlueType, OnLost, Outcome

from . import child_process, reaper
from .child_process import ChildProcess
from .ear import Ear
from .leaving import Leaving
from .limits import Limits
from .outcome import KILLED_IN_QUEUE, KILLED_RUNNING, TIMEOUT_MESSAGE, RunOutcome, how_it_ended, wall_ms
from .runs import Run

_NEIGHBOURS_GET_S = 30.0
_PAUSE_AFTER_FAILED_START_S = 1.0
_NEIGHBOUR = "it ran on the event loop of run {}, whose handler did not end and was killed"


@dataclass(slots=True, eq=False)
class _Begun:
    """A run on the loop, and its clocks (monotonic; 0: not set)."""

    run: Run
    began_s: float
    kill_at_s: float = 0.0
    """When patience with it ends."""
    was_heard: bool = False
    """The loop has answered that it is cancelling it."""
    soft_at_s: float = 0.0
    """When it is warned."""

    @property
    def timeout_at_s(self) -> float:
        trigger = self.run.trigger
        # RQ counts from when its worker begins, and ends it there
        limit_s = trigger.executor_timeout if trigger and trigger.glue_type != GlueType.RQ else 0
        return self.began_s + limit_s if limit_s > 0 else 0.0

    @property
    def next_clock_s(self) -> float:
        hard_s = self.kill_at_s or self.timeout_at_s or float("inf")
        return min(hard_s, self.soft_at_s or float("inf"))


@dataclass(slots=True, eq=False)
class LoopChild(ChildProcess):
    """A child process that is an event loop."""

    is_ready: bool = False
    is_outdated: bool = False
    """It gets no more runs, and is let go when it has none."""
    begun: dict[int, _Begun] = field(default_factory=dict)
    """By ticket."""
    has_run: int = 0
    culprit: Run | None = None
    """The run that did not end: this child gets no more, and is killed when the others have ended."""
    kill_at_s: float = 0.0


class CoroutinePool:
    """Gives coroutines to an event loop, and ends them."""

    def __init__(
        self,
        ear: Ear,
        *,
        slots: int,
        kill_grace_s: float,
        child_settings: dict[str, Any],
        family: set[int],
        on_ended: Callable[[Run, bytes | RunOutcome], None],
        on_surplus: Callable[[list[Run]], None],
        on_room: Callable[[int], None],
        written_ending: Callable[[Run], bytes | None],
        on_progress: Callable[[Run, Progress], None],
        limits_of: Callable[[TriggerParam | None], Limits],
        soft_lead_s: float = 0.0,
        max_runs: int = 0,
    ) -> None:
        self._limits_of = limits_of
        self._soft_lead_s = soft_lead_s
        self._max_runs = max_runs
        self._ear = ear
        self._slots = slots
        self._kill_grace_s = kill_grace_s
        self._child_settings = child_settings
        self._family = family
        self._on_ended = on_ended
        self._on_surplus = on_surplus
        self._on_room = on_room
        self._written_ending = written_ending
        self._on_progress = on_progress
        self._children: list[LoopChild] = []
        self._leaving = Leaving(family)
        self._waiting: list[Run] = []
        self._last_ticket = 0
        self._started = 0
        self._start_at_s = 0.0
        self._room = 0

    def submit(self, runs: list[Run]) -> None:
        """Run them as soon as there is a loop."""
        self._waiting.extend(runs)

    def running(self) -> int:
        """How many coroutines run."""
        return sum(len(child.begun) for child in self._children)

    def take_waiting(self) -> list[Run]:
        """The runs that were not given to a loop yet; they are the caller's now."""
        taken, self._waiting = self._waiting, []
        return taken

    def abort_all(self) -> list[Run]:
        """Kill the loops that run something; answers those runs, not ended."""
        aborted: list[Run] = []
        for child in [child for child in self._children if child.begun]:
            aborted += [begun.run for begun in child.begun.values()]
            self._remove(child)
        return aborted

    def close(self) -> None:
        """Let idle loops leave (their handlers' destroy runs), then make sure they are gone."""
        for child in list(self._children):
            self._let_go(child)
        self._leaving.wait()

    def renew_child(self) -> None:
        """Give this loop no more runs; it leaves when it has none, and a fresh one comes."""
        for child in list(self._children):
            child.is_outdated = True
            if not child.begun:
                self._let_go(child)

    # giving

    def keep_child(self) -> None:
        """Start a loop if there is none that takes runs."""
        if self._current() is not None or time.monotonic() < self._start_at_s:
            return
        self._started += 1
        marker = f"{self._child_settings['executor_id']}.loop{self._started}"
        child = LoopChild(**child_process.start("async", marker, self._child_settings))
        self._children.append(child)
        self._family.add(child.pid)
        self._ear.listen_to(child.connection, partial(self._hear, child))

    def dispatch(self) -> None:
        """Give all that waits to the loop; it was claimed because there was room."""
        child = self._current()
        if child is not None and child.is_ready:
            for run in self._waiting:
                self._last_ticket += 1
                child.begun[self._last_ticket] = begun = _Begun(run, time.monotonic())
                begun.soft_at_s = self._soft_at_s(begun)
                child.say(run.message(self._last_ticket))
                telemetry.detail("run.started", **run.ids, attempt=run.claimed.attempt)
            self._waiting.clear()
        self._tell_room(self._slots if child is not None and child.is_ready else 0)

    def _current(self) -> LoopChild | None:
        takers = (child for child in self._children if child.culprit is None and not child.is_outdated)
        return next(takers, None)

    def _soft_at_s(self, begun: _Begun) -> float:
        warned_s = self._limits_of(begun.run.trigger).soft_timeout_s
        soft = [begun.began_s + warned_s] if warned_s else []
        if self._soft_lead_s and begun.timeout_at_s:
            soft.append(max(begun.began_s, begun.timeout_at_s - self._soft_lead_s))
        return min(soft, default=0.0)

    def _tell_room(self, room: int) -> None:
        if room != self._room:
            self._room = room
            self._on_room(room)

    # hearing

    def _hear(self, child: LoopChild) -> None:
        messages = child.reader.read()
        if messages is None:
            self._bury(child)
            return
        for message in messages:
            if message[0] == "ready":
                child.is_ready = True
            elif message[0] == "cancelling":
                if message[1] in child.begun:
                    child.begun[message[1]].was_heard = True
            elif message[0] == "progress":
                if begun := child.begun.get(message[1]):
                    self._on_progress(begun.run, Progress(message[2], message[3]))
            elif message[0] == "ended":
                self._on_run_ended(child, message[1], message[2], was_cancelled=message[3])

    def _on_run_ended(self, child: LoopChild, ticket: int, frame: bytes, *, was_cancelled: bool) -> None:
        begun = child.begun.pop(ticket)
        child.has_run += 1
        if self._max_runs and child.has_run >= self._max_runs:
            child.is_outdated = True
        run = begun.run
        if run.stop is not None and was_cancelled:
            reaper.kill_marked(reaper.marker_of_run(child.marker, run.log_id))
            reaper.collect_orphans(self._family)
            took_s = time.monotonic() - (begun.kill_at_s - self._kill_grace_s)
            self._end_stopped(begun, run.stop, f"it ended {took_s:.1f} s after it was cancelled")
        else:
            self._on_ended(run, frame)
        if child.culprit is not None and all(begun.kill_at_s for begun in child.begun.values()):
            self._kill(child)
        elif child.is_outdated and not child.begun:
            self._let_go(child)

    # ending

    def stop(self, log_id: int, stop: Stop) -> bool:
        """End this run; the first reason stays. False if it is not here."""
        for run in self._waiting:
            if run.log_id == log_id:
                self._waiting.remove(run)
                self._on_ended(run, RunOutcome(stop.outcome, stop.reason + KILLED_IN_QUEUE))
                return True
        for child in self._children:
            for ticket, begun in child.begun.items():
                if begun.run.log_id == log_id:
                    self._cancel(child, ticket, begun, stop)
                    return True
        return False

    def check_clocks(self) -> None:
        """Do what the time has come for."""
        self._leaving.look()
        now_s = time.monotonic()
        for child in list(self._children):
            if child.culprit is not None and now_s >= child.kill_at_s:
                self._kill(child)
                continue
            for ticket, begun in list(child.begun.items()):
                if begun.kill_at_s:
                    if now_s >= begun.kill_at_s and child.culprit is None:
                        self._condemn(child, begun)
                elif begun.soft_at_s and now_s >= begun.soft_at_s:
                    begun.soft_at_s = 0.0
                    child.say(["soft", ticket])
                elif begun.timeout_at_s and now_s >= begun.timeout_at_s:
                    self._cancel(child, ticket, begun, Stop(Outcome.TIMED_OUT, TIMEOUT_MESSAGE))

    def patience_s(self) -> float:
        """Until the next clock goes off; infinite without one."""
        clocks = [begun.next_clock_s for child in self._children for begun in child.begun.values()]
        clocks = [at_s for at_s in clocks if at_s > time.monotonic()]
        clocks += [child.kill_at_s for child in self._children if child.culprit is not None]
        return max(0.0, min(clocks, default=float("inf")) - time.monotonic())

    def _cancel(self, child: LoopChild, ticket: int, begun: _Begun, stop: Stop) -> None:
        if begun.run.stop is None:
            begun.run.stop = stop
            begun.kill_at_s = time.monotonic() + self._kill_grace_s
            child.say(["cancel", ticket, stop.outcome.value])

    def _condemn(self, child: LoopChild, begun: _Begun) -> None:
        """A run did not end: no cancelling helps, so its process has to go."""
        child.culprit = begun.run
        has_neighbours = any(not other.kill_at_s for other in child.begun.values())
        child.kill_at_s = time.monotonic() + (_NEIGHBOURS_GET_S if begun.was_heard and has_neighbours else 0)

    def _kill(self, child: LoopChild) -> None:
        """End a condemned loop with everything on it."""
        culprit = child.culprit
        self._remove(child)
        cut_off: list[Run] = []
        for begun in child.begun.values():
            run = begun.run
            if run.stop is not None:
                how = f"it ignored being cancelled for {self._kill_grace_s:g} s, its event loop was killed"
                self._end_stopped(begun, run.stop, how)
            elif run.trigger is not None and run.trigger.on_lost == OnLost.RERUN:
                cut_off.append(run)
            else:
                message = _NEIGHBOUR.format(culprit.log_id if culprit else 0)
                self._on_ended(run, RunOutcome(Outcome.FAILED, message, wall_ms(begun.began_s)))
        if cut_off:
            self._on_surplus(cut_off)

    def _end_stopped(self, begun: _Begun, stop: Stop, how: str) -> None:
        run = begun.run
        telemetry.event("run.killed", **run.ids, outcome=stop.outcome, how=how)
        suffix = "" if stop.outcome is Outcome.TIMED_OUT else KILLED_RUNNING
        message = f"{stop.reason}{suffix}\n{how}"
        self._on_ended(run, RunOutcome(stop.outcome, message, wall_ms(begun.began_s)))

    def _bury(self, child: LoopChild) -> None:
        """A loop is gone by itself; its runs end as what is known of them."""
        self._remove(child)
        if not child.is_ready:  # a child that cannot even start must not be started in a busy loop
            self._start_at_s = time.monotonic() + _PAUSE_AFTER_FAILED_START_S
        how = how_it_ended(child.process.returncode)
        for begun in child.begun.values():
            run = begun.run
            written = self._written_ending(run)
            if run.stop is not None:
                self._end_stopped(begun, run.stop, f"its event loop {how}")
            elif written is not None:  # it died between the journal and its answer
                self._on_ended(run, written)
            else:
                telemetry.warning("child.died", **run.ids, how=how)
                message = (
                    f"the process of the event loop {how} while it ran, with {len(child.begun)} runs on it"
                )
                said = RunOutcome(Outcome.FAILED, message, wall_ms(begun.began_s), output=child.remains)
                self._on_ended(run, said)

    def _let_go(self, child: LoopChild) -> None:
        self._ear.forget(child.connection)
        self._children.remove(child)
        self._leaving.let_go(child)

    def _remove(self, child: LoopChild) -> None:
        self._ear.forget(child.connection)
        child.destroy()
        self._children.remove(child)
        self._family.discard(child.pid)
        reaper.collect_orphans(self._family)
        failpoint("run.killed")
