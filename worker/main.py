"""What runs in an executor, in which order it starts, and what stops it.

The main thread owns the child processes (`executor`). Beside it, a thread each: the courier (settle
and claim), the replay of old spools, log retention, and for each group it serves the courier's wake-up,
the leases (beat) and the mailbox.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from redis import Redis

import baton
from baton import telemetry
from baton.archive import Archive
from baton.broker.client import connect, connect_blocking
from baton.broker.consumer import Consumer
from baton.broker.mailbox import Mailbox
from baton.broker.presence import ExecutorInfo, new_executor_id
from baton.clock import SYSTEM_CLOCK
from baton.envelope import group_key
from baton.loop import Loop

from . import builtin, guard, reaper
from .abilities import Abilities
from .archiver import LAST_STORE_S, Archiver
from .coroutine_pool import CoroutinePool
from .courier import Courier
from .ear import Ear
from .executor import Executor
from .farewell import Farewell
from .kept import LONGEST_INTERVAL_S, Kept, find_ending
from .leases import Leases
from .limits import Limits, Wear
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
from .spool import Spool
from .spool_gauge import SpoolGauge


@dataclass(slots=True)
class _Asked:
    """How often a signal asked this process to stop."""

    times: int = 0


def run(
    *,
    redis_url: str,
    access_token: str,
    app_names: Sequence[str],
    handlers: Sequence[str],
    tags: Sequence[str],
    reload: bool,
    concurrency: int,
    async_concurrency: int,
    scripts: Sequence[str],
    commands: Sequence[str],
    http_hosts: Sequence[str],
    rq_url: str,
    rq_serializer: str,
    rq_hook: bool,
    log_dir: str,
    log_cap_bytes: int,
    log_retention_days: int,
    log_dir_cap_bytes: int,
    log_archive: Archive | None,
    spool_dir: str,
    spool_limit_bytes: int,
    kill_grace_s: float,
    soft_lead_s: float,
    usual_limits: Limits,
    wear: Wear,
    drain_grace_s: float,
    beat_interval_s: float,
    executor_dead_after_s: float,
    failpoints: str = "",
) -> None:
    """Serve these executor groups until a signal stops it."""
    reaper.become_subreaper()
    executor_id = new_executor_id()
    redis = connect(redis_url)
    seats = Seats([_seat(redis_url, redis, access_token, name, executor_id, tags) for name in app_names])
    logs = LogFolder(Path(log_dir).resolve(), log_cap_bytes)
    archiver = Archiver(log_archive, logs, executor_id) if log_archive is not None else None
    spool = Spool(Path(spool_dir).resolve(), executor_id)
    runs = Runs()
    kept = Kept(spool, seats, runs, redis, interval_s=min(LONGEST_INTERVAL_S, beat_interval_s))
    orphans = Orphans(spool, {seat.app_name: seat.key for seat in seats})
    gauge = SpoolGauge(spool, kept, orphans.quarantine, spool_limit_bytes)
    abilities = Abilities(executor_id, has_rq=bool(rq_url), scripts=scripts, usual=usual_limits)
    courier = Courier(seats, runs, spool, abilities, executor_id, logs, archiver)
    started_ms = SYSTEM_CLOCK.now_ms()

    def info(app_name: str) -> ExecutorInfo:
        return ExecutorInfo(
            executor_id=executor_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            handlers=tuple(sorted(abilities.handlers)),
            slots=concurrency + (async_concurrency if abilities.has_coroutines else 0),
            running=executor.running(),
            started_ms=started_ms,
            beat_ms=SYSTEM_CLOCK.now_ms(),
            version=baton.__version__,
            state="running" if courier.claims_from(app_name) else "draining",
            tags=tuple(tags),
            glue_types=tuple(sorted(abilities.interpreters)),
            problem=abilities.problem,
            spool_state=gauge.facts.state,
            spool_bytes=gauge.facts.bytes,
            spool_waiting=courier.waiting() + spool.adopted_endings(),
            quarantined=gauge.facts.quarantined,
        )

    def on_handlers(said: dict[str, Any], problem: str) -> None:
        if abilities.learn(said, problem):
            beat()

    def beat() -> None:
        for loop in beats:
            loop.wake()

    def written_ending(run: Run) -> bytes | None:
        return find_ending(spool, seats[run.app_name], run)

    ear, family, progress = Ear(), {guard.start(executor_id)}, ProgressBoard(redis)
    child_settings = {
        "executor_id": executor_id,
        "keys": {seat.app_name: seat.key.hex() for seat in seats},
        "log_dir": str(logs.path),
        "log_cap_bytes": log_cap_bytes,
        "spool_folder": str(spool.folder),
        "handlers": list(handlers),
        "built_in": {builtin.COMMANDS: list(commands), builtin.HTTP_HOSTS: list(http_hosts)},
        "interpreters": abilities.interpreters,
        "drain_grace_s": drain_grace_s,
        "reload": reload,
        "rq": {
            "url": rq_url,
            "serializer": rq_serializer,
            "has_hook": rq_hook,
            "kill_grace_s": kill_grace_s,
        },
        "failpoints": failpoints,
    }
    pool = Pool(
        ear,
        slots=concurrency,
        kill_grace_s=kill_grace_s,
        child_settings=child_settings,
        family=family,
        on_ended=courier.end,
        on_surplus=courier.return_unrun,
        on_room=courier.set_plain_room,
        written_ending=written_ending,
        on_handlers=on_handlers,
        on_progress=progress.note,
        limits_of=abilities.limits_of,
        soft_lead_s=soft_lead_s,
        wear=wear,
    )
    coroutines = CoroutinePool(
        ear,
        slots=async_concurrency,
        kill_grace_s=kill_grace_s,
        child_settings=child_settings,
        family=family,
        on_ended=courier.end,
        on_surplus=courier.return_unrun,
        on_room=courier.set_coroutine_room,
        written_ending=written_ending,
        on_progress=progress.note,
        limits_of=abilities.limits_of,
        soft_lead_s=soft_lead_s,
        max_runs=wear.max_runs,
    )
    executor = courier.executor = Executor(ear, pool, coroutines, abilities)
    beats, loops = [], []
    for seat in seats:
        leases = Leases(
            seat, runs, executor, courier, SYSTEM_CLOCK, partial(info, seat.app_name),
            before_hand_back=kept.look, beat_interval_s=beat_interval_s, dead_after_s=executor_dead_after_s,
        )  # fmt: skip
        beats.append(Loop("leases", leases.step))
        mailbox = Mailbox(connect_blocking(redis_url), redis, seat.key, seat.app_name, executor_id)
        loops.append(Loop("waiter", partial(courier.wait_step, seat)))
        loops.append(Loop("mailbox", MailRole(mailbox, LogReader(logs.path), runs, beat).step))
    loops = [
        Loop("kept", kept.step),
        Loop("spool", gauge.step),
        *beats,
        Loop("replay", Replay(spool, orphans, seats, runs).step),
        Loop("courier", courier.step),
        Loop("progress", progress.step),
        *loops,
        *([Loop("archiver", archiver.step)] if archiver is not None else []),
        Loop("retention", _retention(logs, log_retention_days, log_dir_cap_bytes, archiver).step),
    ]
    if reload:
        loops.append(Loop("reload", Reloader(handlers, executor.renew_children).step))
    asked = _on_signals(executor)
    for loop in loops:
        loop.start()
    telemetry.event("process.started", executor=executor_id, group=",".join(app_names), slots=concurrency)
    while not asked.times:
        executor.step()
    telemetry.event("process.stopping", running=executor.running())
    courier.is_draining = True
    beat()  # others see at once that this executor claims nothing any more
    farewell = Farewell(executor, courier, runs, seats, spool, kept, is_hurried=lambda: asked.times > 1)
    farewell.drain(drain_grace_s)
    farewell.end(loops)
    if archiver is not None:
        archiver.finish(LAST_STORE_S)
    telemetry.event("process.stopped", executor=executor_id)


def _seat(
    redis_url: str, redis: Redis, access_token: str, app_name: str, executor_id: str, tags: Sequence[str]
) -> Seat:
    consumer = Consumer(redis, connect_blocking(redis_url), app_name, executor_id, tags)
    return Seat(app_name, group_key(access_token, app_name), consumer)


def _retention(logs: LogFolder, days: int, cap_bytes: int, archiver: Archiver | None) -> LogRetention:
    if archiver is None:
        return LogRetention(logs.path, days, cap_bytes)
    return LogRetention(logs.path, days, cap_bytes, archiver.is_waiting)


def _on_signals(executor: Executor) -> _Asked:
    asked = _Asked()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.times += 1
        executor.wake()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return asked
