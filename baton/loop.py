"""Runs `step() -> seconds` until told to stop: the only place that sleeps and backs off.

A role owns neither thread nor signal. Its `step` does what is due and answers how long it
wants to be left alone (0: there is more). `wake()` cuts that wait short.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from . import telemetry

_FIRST_BACK_OFF_S = 0.1
_LONGEST_BACK_OFF_S = 5.0


class Loop:
    """One role's step, called again and again in a thread of its own."""

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self.name = name
        self.steps = self.failures = 0
        """How many steps came to an end, and how many raised."""
        self._good_until_s = time.monotonic()
        self._step = step
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin calling the step."""
        self._thread.start()

    def wake(self) -> None:
        """Call the step now instead of when its wait is over."""
        self._wake.set()

    def stop(self) -> None:
        """Let the current step finish and call no other."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread; False if it still runs after `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def overdue_s(self) -> float:
        """For how long no step has come to its end that should have; 0 while it rests as it wanted to."""
        return max(0.0, time.monotonic() - self._good_until_s)

    def _run(self) -> None:
        back_off_s = 0.0
        while not self._stopping.is_set():
            try:
                wait_s = self._step()
                back_off_s = 0.0
                self.steps += 1
                self._good_until_s = time.monotonic() + max(0.0, wait_s)
            except Exception as problem:
                # a role must outlive a lost connection or a bug in one pass; the trace is the record
                back_off_s = min(max(back_off_s * 2, _FIRST_BACK_OFF_S), _LONGEST_BACK_OFF_S)
                self.failures += 1
                telemetry.problem("loop.failed", problem, loop=self.name, wait_s=back_off_s)
                self._stopping.wait(back_off_s)
                continue
            if wait_s > 0:
                self._wake.wait(wait_s)
            self._wake.clear()


def run_until_signal(loops: Iterable[Loop], *, join_s: float = 10.0) -> None:
    """Start `loops` in order, wait for SIGTERM or SIGINT, stop them in reverse order."""
    stop = stop_event_on_signals()
    running = list(loops)
    for each in running:
        each.start()
    stop.wait()
    for each in reversed(running):
        each.stop()
    for each in reversed(running):
        each.join(join_s)


def stop_event_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; call it from the main thread."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
