"""Delivers the endings that executors before this one left on the disk; keeps old logs from piling up."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import defaultdict
from pathlib import Path

from baton import telemetry
from baton.broker.consumer import Settled
from baton.envelope import unseal
from baton.errors import MessageError
from baton.failpoints import failpoint
from baton.messages import HandleCallbackParam

from .seats import Seats
from .spool import Orphan, Spool

_INTERVAL_S = 30.0
_LOG_INTERVAL_S = 3600.0


class Replay:
    """Adopts the spool folders of executors that are gone."""

    def __init__(self, spool: Spool, seats: Seats) -> None:
        self._spool = spool
        self._seats = seats

    def step(self) -> float:
        """Hand over what is found; a folder goes only after all of it was accepted."""
        for orphan in self._spool.orphans():
            self._deliver(orphan)
        return _INTERVAL_S

    def _deliver(self, orphan: Orphan) -> None:
        endings: defaultdict[str, list[Settled]] = defaultdict(list)
        for frame in orphan.frames():
            self._read(frame, endings)
        for app_name, settled in endings.items():
            self._seats[app_name].consumer.settle(settled)
        # accepted, the folder still there: a crash here delivers them again, which changes nothing
        failpoint("spool.replayed")
        if orphan.damaged:
            telemetry.warning("spool.quarantined", files=len(orphan.damaged))
        if endings:
            runs = sum(len(settled) for settled in endings.values())
            telemetry.event("spool.replayed", runs=runs, executor=orphan.folder.name)
        orphan.remove()

    def _read(self, frame: bytes, endings: dict[str, list[Settled]]) -> None:
        problem: MessageError | None = None
        for seat in self._seats:
            try:
                said = unseal(frame, HandleCallbackParam, seat.key)
            except MessageError as one:
                problem = one
            else:
                endings[seat.app_name].append(Settled(said.log_id, said.token, said.attempt, frame))
                return
        if problem is not None:
            telemetry.problem("spool.quarantined", problem)


class LogRetention:
    """Removes the day folders of run logs that are too old."""

    def __init__(self, log_dir: Path, days: int) -> None:
        self._log_dir = log_dir
        self._days = days

    def step(self) -> float:
        """Look once an hour."""
        oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - self._days * 86_400))
        with contextlib.suppress(FileNotFoundError):
            for folder in self._log_dir.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"):
                if folder.name < oldest and folder.is_dir() and not folder.is_symlink():
                    shutil.rmtree(folder, ignore_errors=True)
        return _LOG_INTERVAL_S
