"""Warm child processes: one run per child at a time, replaced at once when one is killed.

Everything here happens on the main thread, because the tie that ends a child with its parent
(PR_SET_PDEATHSIG) is to the thread that started it. Other threads only `submit` and `stop`, which
put a word into the inbox and wake the loop. A killed or timed-out child is never used again, and
its run counts as ended only when nothing it started is alive.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from baton import telemetry
from baton.broker.consumer import Stop
from baton.failpoints import failpoint
from baton.vocabulary import Outcome

from . import pipe, reaper
from .outcome import RunOutcome
from .runs import Run

_LONGEST_WAIT_S = 1.0
_RUNNING_SUFFIX = " [job running, killed]"
_WAITING_SUFFIX = " [job not executed, in the job queue, killed.]"
TIMEOUT_MESSAGE = "job execute timeout"


@dataclass(slots=True)
class Child:
    """One child process, as its parent sees it."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    reader: pipe.Reader
    marker: str
    is_ready: bool = False
    run: Run | None = None
    timeout_at_s: float = 0.0
    """Monotonic; 0 is no limit."""
    kill_at_s: float = 0.0
    """Monotonic; when patience with a stopped run ends. 0 while nobody asked it to stop."""


class Pool:
    """Starts children, gives them runs, ends them."""

    def __init__(
        self,
        *,
        slots: int,
        kill_grace_s: float,
        child_settings: dict[str, Any],
        on_ended: Callable[[Run, bytes | RunOutcome], None],
        written_ending: Callable[[Run], bytes | None],
        on_handlers: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._slots = slots
        self._kill_grace_s = kill_grace_s
        self._child_settings = child_settings
        self._on_ended = on_ended
        self._written_ending = written_ending
        self._on_handlers = on_handlers
        self._children: dict[int, Child] = {}
        self._waiting: deque[Run] = deque()
        self._inbox: deque[Callable[[], None]] = deque()
        self._started = 0
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ, None)

    # from any thread

    def submit(self, run: Run) -> None:
        """Run it as soon as a child is free."""
        self._post(lambda: self._waiting.append(run))

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
        while self._inbox:
            self._inbox.popleft()()
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
        while self._inbox:
            self._inbox.popleft()()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def abort_all(self) -> list[Run]:
        """Kill every child that has a run, with all it started; answers those runs, not ended."""
        aborted: list[Run] = []
        for child in list(self._children.values()):
            if child.run is not None:
                aborted.append(child.run)
                child.run = None
                self._remove(child)
        return aborted

    def close(self) -> None:
        """Let idle children leave (their handlers' destroy runs), then make sure they are gone."""
        children = list(self._children.values())
        for child in children:
            self._selector.unregister(child.connection)
            child.connection.close()
        deadline_s = time.monotonic() + 5.0
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline_s - time.monotonic()))
            reaper.kill_all(child.process.pid, child.marker)
            child.process.wait()
        self._children.clear()

    def _keep_children(self) -> None:
        # one more than slots: a killed child's replacement is warm before it is needed
        while len(self._children) < self._slots + 1:
            self._start_child()

    def _start_child(self) -> None:
        ours, theirs = socket.socketpair()
        self._started += 1
        marker = f"{self._child_settings['executor_id']}.{self._started}"
        command = [sys.executable, "-m", "worker.child", str(theirs.fileno()), str(os.getpid())]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, reaper.MARKER: marker},
        )
        theirs.close()
        ours.sendall(pipe.pack(["settings", self._child_settings]))
        child = Child(process, ours, pipe.Reader(ours), marker)
        self._children[process.pid] = child
        self._selector.register(ours, selectors.EVENT_READ, child)

    def _dispatch(self) -> None:
        if not self._waiting:
            return
        room = self._slots - self.running()
        for child in list(self._children.values()):
            if not self._waiting or room <= 0:
                return
            if child.is_ready and child.run is None:
                self._give(child, self._waiting.popleft())
                room -= 1

    def _give(self, child: Child, run: Run) -> None:
        trigger = run.trigger
        if trigger is None:
            raise ValueError("a run without a message cannot be started")
        child.run = run
        limit_s = trigger.executor_timeout
        child.timeout_at_s = time.monotonic() + limit_s if limit_s > 0 else 0.0
        frame = pipe.pack(["run", run.segment, run.claimed.token, run.claimed.attempt, trigger.to_map()])
        with contextlib.suppress(ConnectionError):  # it died: the selector says so next
            child.connection.sendall(frame)

    def _hear(self, child: Child) -> None:
        messages = child.reader.read()
        if messages is None:
            self._bury(child)
            return
        for message in messages:
            if message[0] == "ready":
                self._on_ready(child, message[1], message[2])
            else:
                self._on_run_ended(child, message[2], was_cancelled=message[3])

    def _on_ready(self, child: Child, names: list[str], problem: str) -> None:
        child.is_ready = True
        if problem:
            telemetry.warning("child.failed", problem=problem)
        self._on_handlers(tuple(names))

    def _on_run_ended(self, child: Child, frame: bytes, *, was_cancelled: bool) -> None:
        run = child.run
        if run is None:
            return
        if run.stop is None:
            child.run = None
            self._on_ended(run, frame)
        elif was_cancelled:
            self._finish_stopped(child, run, run.stop, "it ended after SIGTERM")
        else:
            # it came to its own end before the signal: that is the truth
            child.run = None
            self._remove(child)
            self._on_ended(run, frame)

    def _stop(self, log_id: int, stop: Stop) -> None:
        for run in self._waiting:
            if run.log_id == log_id:
                self._waiting.remove(run)
                self._on_ended(run, RunOutcome(stop.outcome, stop.reason + _WAITING_SUFFIX))
                return
        for child in self._children.values():
            if child.run is not None and child.run.log_id == log_id and child.run.stop is None:
                child.run.stop = stop
                self._ask_to_end(child)

    def _ask_to_end(self, child: Child) -> None:
        child.kill_at_s = time.monotonic() + self._kill_grace_s
        with contextlib.suppress(ConnectionError):
            child.connection.sendall(pipe.pack(["cancel"]))
        reaper.ask_to_end(child.process.pid)

    def _check_clocks(self) -> None:
        now_s = time.monotonic()
        for child in list(self._children.values()):
            run = child.run
            if run is None:
                continue
            if child.kill_at_s and now_s >= child.kill_at_s and run.stop is not None:
                self._finish_stopped(child, run, run.stop, "it ignored SIGTERM and was killed")
            elif child.timeout_at_s and now_s >= child.timeout_at_s and run.stop is None:
                run.stop = Stop(Outcome.TIMED_OUT, TIMEOUT_MESSAGE)
                self._ask_to_end(child)

    def _patience_s(self) -> float:
        clocks = [
            at_s
            for child in self._children.values()
            if child.run is not None
            for at_s in (child.kill_at_s, 0.0 if child.run.stop else child.timeout_at_s)
            if at_s
        ]
        if not clocks:
            return _LONGEST_WAIT_S
        return min(_LONGEST_WAIT_S, max(0.0, min(clocks) - time.monotonic()))

    def _finish_stopped(self, child: Child, run: Run, stop: Stop, how: str) -> None:
        child.run = None
        self._remove(child)
        telemetry.event("run.killed", log_id=run.log_id, outcome=stop.outcome, how=how)
        suffix = "" if stop.outcome is Outcome.TIMED_OUT else _RUNNING_SUFFIX
        self._on_ended(run, RunOutcome(stop.outcome, stop.reason + suffix))

    def _bury(self, child: Child) -> None:
        """A child is gone by itself; its run ends as what is known of it."""
        run, child.run = child.run, None
        self._remove(child)
        if run is None:
            if not child.is_ready:
                time.sleep(0.1)  # a child that cannot even start must not be started in a busy loop
            return
        if run.stop is not None:
            self._on_ended(run, RunOutcome(run.stop.outcome, run.stop.reason + _RUNNING_SUFFIX))
            return
        written = self._written_ending(run)
        if written is not None:  # it died between the journal and its answer
            self._on_ended(run, written)
            return
        how = _how_it_ended(child.process.returncode)
        telemetry.warning("child.died", log_id=run.log_id, how=how)
        self._on_ended(run, RunOutcome(Outcome.FAILED, f"the process of the handler {how} while it ran"))

    def _remove(self, child: Child) -> None:
        self._selector.unregister(child.connection)
        child.connection.close()
        reaper.kill_all(child.process.pid, child.marker)
        child.process.wait()
        del self._children[child.process.pid]
        reaper.collect_orphans({other.process.pid for other in self._children.values()})
        failpoint("run.killed")


def _how_it_ended(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"exited with code {returncode}"
