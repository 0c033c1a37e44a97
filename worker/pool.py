"""Warm child processes: one run at a time in each, replaced at once when one is killed.

Everything here happens on the main thread (`ear.py` says why). A killed or timed-out child is never
used again, and its run counts as ended only when nothing it started is alive.

While runs are short, each child is given some ahead (`pace.py` says how many). A run behind one
that turns out to be long is taken back, and what no other child can begin at once goes back to
its lane, for whoever is free.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from baton import telemetry
from baton.broker.consumer import Stop
from baton.context import Progress
from baton.failpoints import failpoint
from baton.messages import TriggerParam
from baton.vocabulary import Outcome

from . import child_process, limits, reaper
from .ear import Ear
from .leaving import Leaving
from .limits import LOOK_S, WORN_LOOK_S, Limits, Wear, usage_of
from .outcome import (
    KILLED_IN_QUEUE,
    KILLED_RUNNING,
    TIMEOUT_MESSAGE,
    RunOutcome,
    ended_by_force,
    ended_softly,
    how_it_ended,
    wall_ms,
)
from .pace import PATIENCE_S, Pace
from .runs import Run
from .warm_child import WarmChild

_PAUSE_AFTER_FAILED_START_S = 0.1
NO_WEAR = Wear()


class Pool:
    """Starts children, gives them runs, ends them.

    `family`: the process ids of all children of this executor; what else it inherits are orphans.
    """

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
        on_handlers: Callable[[dict[str, Any], str], None],
        on_progress: Callable[[Run, Progress], None],
        limits_of: Callable[[TriggerParam | None], Limits],
        soft_lead_s: float = 0.0,
        wear: Wear = NO_WEAR,
    ) -> None:
        self._limits_of = limits_of
        self._soft_lead_s = soft_lead_s
        self._wear = wear
        self._ear = ear
        self._slots = slots
        self._kill_grace_s = kill_grace_s
        self._child_settings = child_settings
        self._family = family
        self._on_ended = on_ended
        self._on_surplus = on_surplus
        self._on_room = on_room
        self._written_ending = written_ending
        self._on_handlers = on_handlers
        self._on_progress = on_progress
        self._children: dict[int, WarmChild] = {}
        self._leaving = Leaving(family)
        self._waiting: deque[Run] = deque()
        self._stuck_since_s = 0.0
        self._pace = Pace()
        self._room = 0
        self._started = 0

    def submit(self, runs: list[Run]) -> None:
        """Run them as soon as children are free."""
        self._waiting.extend(runs)

    def running(self) -> int:
        """How many children have a run."""
        return sum(child.run is not None for child in self._children.values())

    def take_waiting(self) -> list[Run]:
        """The runs that no child has begun; they are the caller's now."""
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
        for child in list(self._children.values()):
            self._let_go(child)
        self._leaving.wait()

    def renew_children(self) -> None:
        """Give these children no more runs; they leave when they have none, and fresh ones come."""
        for child in list(self._children.values()):
            self._waiting.extendleft(reversed(child.take_back()))
            child.is_outdated = True
            if not child.runs:
                self._let_go(child)

    # giving

    def keep_children(self) -> None:
        """Start what is missing."""
        # one more than slots: a killed child's replacement is warm before it is needed
        while sum(not child.is_outdated for child in self._children.values()) < self._slots + 1:
            self._started += 1
            marker = f"{self._child_settings['executor_id']}.{self._started}"
            child = WarmChild(**child_process.start("sync", marker, self._child_settings))
            self._children[child.pid] = child
            self._family.add(child.pid)
            self._ear.listen_to(child.connection, partial(self._hear, child))

    def dispatch(self) -> None:
        """Each child gets its first run before one gets its second."""
        takers = self._takers()
        before = len(self._waiting)
        for level in range(1, self._pace.depth + 1):
            for child, limit in takers:
                is_next = len(child.runs) < min(level, limit)
                if is_next and self._waiting and child.fits(self._waiting[0]):
                    child.give(self._waiting.popleft())
                    if len(child.runs) == 1:
                        self._set_clocks(child)
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

    def _set_clocks(self, child: WarmChild) -> None:
        """A run is the first of its child now: its limits begin to count."""
        run = child.run
        child.limits = mine = self._limits_of(run.trigger if run else None)
        child.soft_at_s = child.look_at_s = 0.0
        if run is None:
            return
        telemetry.detail("run.started", **run.ids, attempt=run.claimed.attempt)
        soft = [child.began_s + mine.soft_timeout_s] if mine.soft_timeout_s else []
        if self._soft_lead_s and child.timeout_at_s:
            soft.append(max(child.began_s, child.timeout_at_s - self._soft_lead_s))
        child.soft_at_s = min(soft, default=0.0)
        if mine.is_watched:
            child.look_at_s = child.began_s + LOOK_S
            child.cpu_before_s = usage_of(child.pid).cpu_s if mine.max_cpu_s else 0.0

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
            elif message[0] == "progress":
                if run := child.run_of(message[1]):
                    self._on_progress(run, Progress(message[2], message[3]))
            else:
                self._on_run_ended(child, message[1], message[2], was_cancelled=message[3])

    def _on_ready(self, child: WarmChild, handlers: dict[str, Any], problem: str) -> None:
        child.is_ready = True
        if not child.is_outdated:
            self._on_handlers(handlers, problem)

    def _on_run_ended(self, child: WarmChild, ticket: int, frame: bytes, *, was_cancelled: bool) -> None:
        began_s = child.began_s
        took_s = time.monotonic() - began_s
        run = child.ended(ticket)
        if run is None:
            return
        child.has_run += 1
        self._set_clocks(child)
        if run.stop is not None and was_cancelled:
            asked_s = child.kill_at_s - self._kill_grace_s
            self._end_stopped(child, run, run.stop, lambda: ended_softly(asked_s, child.killed), began_s)
            return
        self._pace.ran(took_s)
        if child.kill_at_s:
            # it came to its own end before the signal: that is the truth, but the child was signalled
            self._remove(child)
        else:
            self._look_for_wear(child)
            if child.is_outdated and not child.runs:
                self._let_go(child)
        self._on_ended(run, frame)

    def _look_for_wear(self, child: WarmChild) -> None:
        """Replace a child that has run enough, or grown too large; what is given ahead goes to others."""
        now_s = time.monotonic()
        is_worn = bool(self._wear.max_runs and child.has_run >= self._wear.max_runs)
        if not is_worn and now_s >= child.worn_look_at_s:
            child.worn_look_at_s = now_s + WORN_LOOK_S
            is_worn = limits.is_worn(child.pid, self._wear)
        if is_worn and not child.is_outdated:
            self._waiting.extendleft(reversed(child.take_back()))
            child.is_outdated = True
            telemetry.detail("child.replaced", runs=child.has_run)

    # ending

    def stop(self, log_id: int, stop: Stop) -> bool:
        """End this run; the first reason stays. False if it is not here."""
        for run in self._waiting:
            if run.log_id == log_id:
                self._waiting.remove(run)
                self._end_waiting(run, stop)
                return True
        for child in self._children.values():
            for run in child.runs:
                if run.log_id == log_id:
                    if run.stop is None:
                        self._interrupt(child, run, stop)
                    return True
        return False

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
            self._ear.post(partial(self.stop, run.log_id, stop))
        # else the child has begun the next one: this one has ended, and its word is on the way

    def _end_waiting(self, run: Run, stop: Stop) -> None:
        self._on_ended(run, RunOutcome(stop.outcome, stop.reason + KILLED_IN_QUEUE))

    def check_clocks(self) -> None:
        """Do what the time has come for."""
        self._leaving.look()
        now_s = time.monotonic()
        for child in list(self._children.values()):
            run = child.run
            if run is None:
                continue
            if run.stop is not None:
                if now_s >= child.kill_at_s:
                    self._end_by_force(child, run, run.stop)
            elif child.timeout_at_s and now_s >= child.timeout_at_s:
                self._interrupt(child, run, Stop(Outcome.TIMED_OUT, TIMEOUT_MESSAGE))
            elif child.look_at_s and now_s >= child.look_at_s:
                self._look_at_use(child, run, now_s)
            elif child.soft_at_s and now_s >= child.soft_at_s:
                child.warn()
            elif len(child.runs) > 1 and now_s >= child.began_s + PATIENCE_S:
                self._waiting.extendleft(reversed(child.take_back()))
        if self._stuck_since_s and now_s >= self._stuck_since_s + PATIENCE_S:
            self._return_surplus()

    def _look_at_use(self, child: WarmChild, run: Run, now_s: float) -> None:
        child.look_at_s = now_s + LOOK_S
        passed = limits.verdict(child.limits, usage_of(child.pid), child.cpu_before_s)
        if passed:
            telemetry.warning("run.over_limit", **run.ids, limit=passed)
            self._interrupt(child, run, Stop(Outcome.FAILED, passed))

    def patience_s(self) -> float:
        """Until the next clock goes off; infinite without one."""
        clocks = [_next_clock_s(child) for child in self._children.values() if child.runs]
        if self._stuck_since_s:
            clocks.append(self._stuck_since_s + PATIENCE_S)
        return max(0.0, min(clocks, default=float("inf")) - time.monotonic())

    def _end_by_force(self, child: WarmChild, run: Run, stop: Stop) -> None:
        grace_s = self._kill_grace_s
        self._end_stopped(child, run, stop, lambda: ended_by_force(grace_s, child.killed), child.began_s)

    def _end_stopped(
        self, child: WarmChild, run: Run, stop: Stop, needed: Callable[[], str], began_s: float
    ) -> None:
        """`needed` says what it took, once nothing of the run is alive."""
        self._remove(child)
        how = needed()
        telemetry.event("run.killed", **run.ids, outcome=stop.outcome, how=how)
        suffix = "" if stop.outcome in (Outcome.TIMED_OUT, Outcome.FAILED) else KILLED_RUNNING
        message = f"{stop.reason}{suffix}\n{how}"
        self._on_ended(run, RunOutcome(stop.outcome, message, wall_ms(began_s), output=child.remains))

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
            reason = run.stop.reason + KILLED_RUNNING
            began_ms = wall_ms(child.began_s)
            self._on_ended(run, RunOutcome(run.stop.outcome, reason, began_ms, output=child.remains))
            return
        written = self._written_ending(run)
        if written is not None:  # it died between the journal and its answer
            self._on_ended(run, written)
            return
        how = how_it_ended(child.process.returncode)
        telemetry.warning("child.died", **run.ids, how=how)
        message = f"the process of the handler {how} while it ran"
        said = RunOutcome(Outcome.FAILED, message, wall_ms(child.began_s), output=child.remains)
        self._on_ended(run, said)

    def _let_go(self, child: WarmChild) -> None:
        self._ear.forget(child.connection)
        del self._children[child.pid]
        self._leaving.let_go(child)

    def _remove(self, child: WarmChild) -> None:
        self._ear.forget(child.connection)
        child.destroy()
        del self._children[child.pid]
        self._family.discard(child.pid)
        reaper.collect_orphans(self._family)
        failpoint("run.killed")


def _next_clock_s(child: WarmChild) -> float:
    if child.kill_at_s:
        return child.kill_at_s
    patience_ends_s = child.began_s + PATIENCE_S if len(child.runs) > 1 else 0.0
    clocks = (child.timeout_at_s, patience_ends_s, child.look_at_s, child.soft_at_s)
    return min((at_s for at_s in clocks if at_s), default=float("inf"))
