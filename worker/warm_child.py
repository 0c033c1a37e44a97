"""One warm child process, as its parent sees it: a process, two sockets, and the runs it was given."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field

from . import pipe, reaper
from .abilities import NO_LIMITS
from .child_process import SOFT_SIGNAL, ChildProcess
from .limits import Limits
from .pace import PATIENCE_S
from .runs import Run

_AHEAD_BYTES = 32 * 1024
"""A child that runs something does not read: what is given ahead must fit into its socket, or the
parent would wait for it."""


@dataclass(slots=True, eq=False)
class WarmChild(ChildProcess):
    """A child process and the runs it was given: it has begun the first, and may begin the others."""

    is_ready: bool = False
    is_outdated: bool = False
    """It gets no more runs, and is let go when it has none."""
    runs: deque[Run] = field(default_factory=deque)
    began_s: float = 0.0
    """Monotonic: since when the first run has been the first."""
    kill_at_s: float = 0.0
    """Monotonic: when patience with a stopped run ends. 0 while nobody asked it to stop."""
    limits: Limits = NO_LIMITS
    """Of the begun run."""
    look_at_s: float = 0.0
    """Monotonic: when its use of memory and CPU is looked at next; 0 without a limit."""
    soft_at_s: float = 0.0
    """Monotonic: when it is warned; 0: never, or it was."""
    cpu_before_s: float = 0.0
    """CPU time of its processes before the begun run."""
    has_run: int = 0
    worn_look_at_s: float = 0.0
    _tickets: dict[int, Run] = field(default_factory=dict)
    _last_ticket: int = 0
    _unsent: list[int] = field(default_factory=list)
    _ahead_bytes: int = 0

    @property
    def run(self) -> Run | None:
        """The run that is begun, if there is one."""
        return self.runs[0] if self.runs else None

    @property
    def timeout_at_s(self) -> float:
        """Monotonic: when the begun run times out; 0 without a limit."""
        run = self.run
        limit_s = run.trigger.executor_timeout if run and run.trigger else 0
        return self.began_s + limit_s if limit_s > 0 else 0.0

    def may_have(self, depth: int, now_s: float) -> int:
        """How many runs it may have in all; a child whose run takes long gets none ahead."""
        if not self.is_ready:
            return 0
        is_held_up = self.is_outdated or (
            self.runs and (self.kill_at_s or now_s >= self.began_s + PATIENCE_S)
        )
        return len(self.runs) if is_held_up else depth

    def fits(self, run: Run) -> bool:
        """Whether this run can be handed over without waiting for the child to read."""
        return not self.runs or self._ahead_bytes + len(run.claimed.frame) <= _AHEAD_BYTES

    def give(self, run: Run) -> None:
        """Put a run behind those it has; `send` hands it over."""
        if self.runs:
            self._ahead_bytes += len(run.claimed.frame)
        else:
            self.began_s, self._ahead_bytes = time.monotonic(), 0
        self._last_ticket += 1
        self._tickets[self._last_ticket] = run
        self._unsent.append(self._last_ticket)
        self.runs.append(run)

    def send(self) -> None:
        """Hand over what was given."""
        if not self._unsent:
            return
        frames = b"".join(pipe.pack(self._tickets[ticket].message(ticket)) for ticket in self._unsent)
        # the tickets first: a child without one would not read a frame that is larger than the socket
        with contextlib.suppress(ConnectionError):  # it died: its connection says so next
            self.turnstile.admit(self._unsent)
            self.connection.sendall(frames)
        self._unsent.clear()

    def ended(self, ticket: int) -> Run | None:
        """The child says that this run has ended: it is no longer among its runs."""
        run = self._tickets.pop(ticket, None)
        if run is not None:
            self.runs.remove(run)
            self.began_s = time.monotonic()
            self._ahead_bytes -= len(self.runs[0].claimed.frame) if self.runs else 0
        return run

    def run_of(self, ticket: int) -> Run | None:
        """The run with this ticket, unless it has ended."""
        return self._tickets.get(ticket)

    def take_back(self) -> list[Run]:
        """The runs it has not begun, in order; they are the caller's now."""
        taken = [self._tickets.pop(ticket) for ticket in sorted(self.turnstile.take_back())]
        for run in taken:
            self.runs.remove(run)
        self._ahead_bytes = 0
        return taken

    def warn(self) -> None:
        """Let the handler of the begun run meet a `SoftTimeout`."""
        self.soft_at_s = 0.0
        self.say(["soft", next(ticket for ticket, run in self._tickets.items() if run is self.run)])
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(SOFT_SIGNAL)

    def ask_to_end(self) -> None:
        """Tell the child that its run shall end, then send SIGTERM to all its processes."""
        ticket = next(ticket for ticket, run in self._tickets.items() if run is self.run)
        self.say(["cancel", ticket])
        reaper.ask_to_end(self.pid)
