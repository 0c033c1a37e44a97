"""How an executor starts, works, and stops.

The main thread owns the child processes (`executor`). Beside it, a thread each: the courier (settle
and claim), the replay of old spools, log retention, and for each group it serves the courier's wake-up,
the leases (beat) and the mailbox. `assembly` puts them together.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from types import FrameType

from baton import process_log, telemetry

from . import reaper
from .archiver import LAST_STORE_S
from .assembly import Assembly
from .executor import Executor
from .farewell import Farewell
from .settings import ExecutorSettings


@dataclass(slots=True)
class _Asked:
    """How often a signal asked this process to stop."""

    times: int = 0


def run(settings: ExecutorSettings) -> None:
    """Serve these executor groups until a signal stops it."""
    reaper.become_subreaper()
    parts = Assembly(settings)
    executor = parts.executor
    process_log.known_as(parts.executor_id)
    asked = _on_signals(executor)
    for loop in parts.loops:
        loop.start()
    groups = ",".join(settings.app_names)
    telemetry.event("process.started", executor=parts.executor_id, group=groups, slots=settings.concurrency)
    while not asked.times:
        executor.step()
    telemetry.event("process.stopping", running=executor.running())
    _stop(parts, asked, settings.drain_grace_s)
    telemetry.event("process.stopped", executor=parts.executor_id)


def _stop(parts: Assembly, asked: _Asked, drain_grace_s: float) -> None:
    parts.courier.is_draining = True
    parts.beat()  # others see at once that this executor claims nothing any more
    farewell = Farewell(
        parts.executor,
        parts.courier,
        parts.runs,
        parts.seats,
        parts.spool,
        parts.kept,
        is_hurried=lambda: asked.times > 1,
    )
    farewell.drain(drain_grace_s)
    farewell.end(parts.loops)
    if parts.archiver is not None:
        parts.archiver.finish(LAST_STORE_S)
    parts.tally.leave()
    parts.guard.dismiss()


def _on_signals(executor: Executor) -> _Asked:
    asked = _Asked()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.times += 1
        executor.wake()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return asked
