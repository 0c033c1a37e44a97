"""How the parts of an executor are put together: stores, children, and the threads there are."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import baton
from baton.broker.client import connect, connect_blocking
from baton.broker.consumer import Consumer
from baton.broker.mailbox import Mailbox
from baton.broker.presence import ExecutorInfo, new_executor_id
from baton.broker.tally import Tally
from baton.clock import SYSTEM_CLOCK
from baton.envelope import group_key
from baton.loop import Loop
from baton.vocabulary import Role

from . import builtin, guard
from .abilities import Abilities
from .archiver import Archiver
from .coroutine_pool import CoroutinePool
from .courier import Courier
from .ear import Ear
from .executor import Executor
from .kept import LONGEST_INTERVAL_S, Kept, find_ending
from .leases import Leases
from .logread import LogReader
from .mailbox import MailRole
from .orphans import Orphans
from .pool import Pool
from .progress import ProgressBoard
from .reload import Reloader
from .replay import Replay
from .retention import LogRetention
from .runlog import LogFolder
from .runs import Run, Runs
from .seats import Seat, Seats
from .settings import ExecutorSettings
from .spool import Spool
from .spool_gauge import SpoolGauge


class Assembly:
    """The parts of one executor; nothing runs yet but its guard."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        self._started_ms = SYSTEM_CLOCK.now_ms()
        self.executor_id = new_executor_id()
        self._redis = connect(settings.redis_url)
        self.seats = Seats([self._seat(app_name) for app_name in settings.app_names])
        self.runs = Runs()
        self._logs = LogFolder(Path(settings.log_dir).resolve(), settings.log_cap_bytes)
        self.archiver = None
        if settings.log_archive is not None:
            self.archiver = Archiver(settings.log_archive, self._logs, self.executor_id)
        self.spool = Spool(Path(settings.spool_dir).resolve(), self.executor_id)
        interval_s = min(LONGEST_INTERVAL_S, settings.beat_interval_s)
        self.kept = Kept(self.spool, self.seats, self.runs, self._redis, interval_s=interval_s)
        self._orphans = Orphans(self.spool, {seat.app_name: seat.key for seat in self.seats})
        self._gauge = SpoolGauge(self.spool, self.kept, self._orphans.quarantine, settings.spool_limit_bytes)
        self._abilities = Abilities(
            self.executor_id,
            has_rq=bool(settings.rq_url),
            scripts=settings.scripts,
            usual=settings.usual_limits,
        )
        self.courier = Courier(
            self.seats, self.runs, self.spool, self._abilities, self.executor_id, self._logs, self.archiver
        )
        self._progress = ProgressBoard(self._redis)
        self.guard = guard.start(self.executor_id)
        self.executor = self.courier.executor = self._executor()
        self._beats = [Loop("leases", self._leases(seat).step) for seat in self.seats]
        self.loops = self._loops()
        self.tally = self._tally()
        self.loops.append(Loop("tally", self.tally.step))

    def beat(self) -> None:
        """Say at once how this executor is."""
        for loop in self._beats:
            loop.wake()

    def _seat(self, app_name: str) -> Seat:
        told = self._settings
        blocking = connect_blocking(told.redis_url)
        consumer = Consumer(self._redis, blocking, app_name, self.executor_id, told.tags)
        return Seat(app_name, group_key(told.access_token, app_name), consumer)

    def _executor(self) -> Executor:
        told, ear, child_settings, family = self._settings, Ear(), self._child_settings(), {self.guard.pid}
        pool = Pool(
            ear,
            slots=told.concurrency,
            kill_grace_s=told.kill_grace_s,
            child_settings=child_settings,
            family=family,
            on_ended=self.courier.end,
            on_surplus=self.courier.return_unrun,
            on_room=self.courier.set_plain_room,
            written_ending=self._written_ending,
            on_handlers=self._on_handlers,
            on_progress=self._progress.note,
            limits_of=self._abilities.limits_of,
            soft_lead_s=told.soft_lead_s,
            wear=told.wear,
        )
        coroutines = CoroutinePool(
            ear,
            slots=told.async_concurrency,
            kill_grace_s=told.kill_grace_s,
            child_settings=child_settings,
            family=family,
            on_ended=self.courier.end,
            on_surplus=self.courier.return_unrun,
            on_room=self.courier.set_coroutine_room,
            written_ending=self._written_ending,
            on_progress=self._progress.note,
            limits_of=self._abilities.limits_of,
            soft_lead_s=told.soft_lead_s,
            max_runs=told.wear.max_runs,
        )
        return Executor(ear, pool, coroutines, self._abilities)

    def _child_settings(self) -> dict[str, Any]:
        """What every child is told, as JSON can hold it."""
        told = self._settings
        return {
            "executor_id": self.executor_id,
            "keys": {seat.app_name: seat.key.hex() for seat in self.seats},
            "log_dir": str(self._logs.path),
            "log_cap_bytes": told.log_cap_bytes,
            "spool_folder": str(self.spool.folder),
            "handlers": list(told.handlers),
            "built_in": {builtin.COMMANDS: list(told.commands), builtin.HTTP_HOSTS: list(told.http_hosts)},
            "interpreters": self._abilities.interpreters,
            "drain_grace_s": told.drain_grace_s,
            "reload": told.reload,
            "rq": {
                "url": told.rq_url,
                "serializer": told.rq_serializer,
                "has_hook": told.rq_hook,
                "kill_grace_s": told.kill_grace_s,
            },
            "log_format": told.log_format,
            "tracing": told.tracing,
            "failpoints": told.failpoints,
        }

    def _written_ending(self, run: Run) -> bytes | None:
        return find_ending(self.spool, self.seats[run.app_name], run)

    def _on_handlers(self, said: dict[str, Any], problem: str) -> None:
        if self._abilities.learn(said, problem):
            self.beat()

    def _loops(self) -> list[Loop]:
        """The threads beside the main one, in the order in which they start."""
        told, replay = self._settings, Replay(self.spool, self._orphans, self.seats, self.runs)
        loops = [
            Loop("kept", self.kept.step),
            Loop("spool", self._gauge.step),
            *self._beats,
            Loop("replay", replay.step),
            Loop("courier", self.courier.step),
            Loop("progress", self._progress.step),
        ]
        for seat in self.seats:
            loops.append(Loop("waiter", partial(self.courier.wait_step, seat)))
            loops.append(Loop("mailbox", self._mail(seat).step))
        if self.archiver is not None:
            loops.append(Loop("archiver", self.archiver.step))
        loops.append(Loop("retention", self._retention().step))
        if told.reload:
            loops.append(Loop("reload", Reloader(told.handlers, self.executor.renew_children).step))
        return loops

    def _tally(self) -> Tally:
        told = self._settings
        return Tally(
            self._redis,
            Role.EXECUTOR,
            self.executor_id,
            interval_s=told.beat_interval_s,
            loops=tuple(self.loops),
            app_name=told.app_names[0],
        )

    def _leases(self, seat: Seat) -> Leases:
        return Leases(
            seat,
            self.runs,
            self.executor,
            self.courier,
            SYSTEM_CLOCK,
            partial(self._info, seat.app_name),
            before_hand_back=self.kept.look,
            beat_interval_s=self._settings.beat_interval_s,
            dead_after_s=self._settings.executor_dead_after_s,
        )

    def _mail(self, seat: Seat) -> MailRole:
        blocking = connect_blocking(self._settings.redis_url)
        mailbox = Mailbox(blocking, self._redis, seat.key, seat.app_name, self.executor_id)
        return MailRole(mailbox, LogReader(self._logs.path), self.runs, self.beat)

    def _retention(self) -> LogRetention:
        days, cap_bytes = self._settings.log_retention_days, self._settings.log_dir_cap_bytes
        if self.archiver is None:
            return LogRetention(self._logs.path, days, cap_bytes)
        return LogRetention(self._logs.path, days, cap_bytes, self.archiver.is_waiting)

    def _info(self, app_name: str) -> ExecutorInfo:
        """How this executor is, as its beat says."""
        told, abilities = self._settings, self._abilities
        return ExecutorInfo(
            executor_id=self.executor_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            handlers=tuple(sorted(abilities.handlers)),
            slots=told.concurrency + (told.async_concurrency if abilities.has_coroutines else 0),
            running=self.executor.running(),
            started_ms=self._started_ms,
            beat_ms=SYSTEM_CLOCK.now_ms(),
            version=baton.__version__,
            state="running" if self.courier.claims_from(app_name) else "draining",
            tags=tuple(told.tags),
            glue_types=tuple(sorted(abilities.interpreters)),
            problem=abilities.problem,
            spool_state=self._gauge.facts.state,
            spool_bytes=self._gauge.facts.bytes,
            spool_waiting=self.courier.waiting() + self.spool.adopted_endings(),
            quarantined=self._gauge.facts.quarantined,
        )
