"""What runs in an executor, in which order it starts, and what stops it.

The main thread owns the child processes (`executor`). Beside it, a thread each: the courier (settle
and claim), the replay of old spools, log retention, and for each group it serves the courier's wake-up,
the leases (beat) and the mailbox.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from redis import Redis

import baton
from baton import telemetry
from baton.broker.client import connect, connect_blocking
from baton.broker.consumer import Consumer
from baton.broker.mailbox import Mailbox
from baton.broker.presence import ExecutorInfo, new_executor_id
from baton.clock import SYSTEM_CLOCK
from baton.envelope import group_key, unseal
from baton.loop import Loop
from baton.messages import HandleCallbackParam

from . import reaper
from .abilities import Abilities
from .coroutine_pool import CoroutinePool
from .courier import Courier
from .ear import Ear
from .executor import Executor
from .leases import Leases
from .logread import LogReader
from .mailbox import MailRole
from .pool import Pool
from .progress import ProgressBoard
from .replay import LogRetention, Replay
from .runs import Run, Runs
from .seats import Seat, Seats
from .spool import Spool

_LAST_SETTLE_S = 10.0


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
    concurrency: int,
    async_concurrency: int,
    rq_url: str,
    rq_serializer: str,
    rq_hook: bool,
    log_dir: str,
    log_retention_days: int,
    spool_dir: str,
    kill_grace_s: float,
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
    logs = Path(log_dir).resolve()
    spool = Spool(Path(spool_dir).resolve(), executor_id)
    runs = Runs()
    abilities = Abilities(has_rq=bool(rq_url))
    courier = Courier(seats, runs, spool, abilities, executor_id)
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
            problem=abilities.problem,
        )

    def on_handlers(said: dict[str, Any], problem: str) -> None:
        if abilities.learn(said, problem):
            beat()

    def beat() -> None:
        for loop in beats:
            loop.wake()

    def written_ending(run: Run) -> bytes | None:
        for frame in spool.frames(run.segment):
            said = unseal(frame, HandleCallbackParam, seats[run.app_name].key)
            if (said.log_id, said.token) == (run.log_id, run.claimed.token):
                return frame
        return None

    ear, family, progress = Ear(), set[int](), ProgressBoard(redis)
    child_settings = {
        "executor_id": executor_id,
        "keys": {seat.app_name: seat.key.hex() for seat in seats},
        "log_dir": str(logs),
        "spool_folder": str(spool.folder),
        "handlers": list(handlers),
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
    )
    executor = courier.executor = Executor(ear, pool, coroutines, abilities)
    beats, loops = [], []
    for seat in seats:
        leases = Leases(
            seat, runs, executor, courier, SYSTEM_CLOCK, partial(info, seat.app_name),
            beat_interval_s=beat_interval_s, dead_after_s=executor_dead_after_s,
        )  # fmt: skip
        beats.append(Loop("leases", leases.step))
        mailbox = Mailbox(connect_blocking(redis_url), redis, seat.key, seat.app_name, executor_id)
        loops.append(Loop("waiter", partial(courier.wait_step, seat)))
        loops.append(Loop("mailbox", MailRole(mailbox, LogReader(logs), runs, beat).step))
    loops = [
        *beats,
        Loop("replay", Replay(spool, seats).step),
        Loop("courier", courier.step),
        Loop("progress", progress.step),
        *loops,
        Loop("retention", LogRetention(logs, log_retention_days).step),
    ]
    asked = _on_signals(executor)
    for loop in loops:
        loop.start()
    telemetry.event("process.started", executor=executor_id, group=",".join(app_names), slots=concurrency)
    while not asked.times:
        executor.step()
    telemetry.event("process.stopping", running=executor.running())
    courier.is_draining = True
    beat()  # others see at once that this executor claims nothing any more
    _drain(executor, courier, runs, seats, spool, asked, drain_grace_s)
    for loop in reversed(loops):
        loop.stop()
    courier.wake()
    executor.close()
    for loop in loops:
        loop.join(5.0)
    for seat in seats:
        seat.consumer.leave()
    spool.close()
    telemetry.event("process.stopped", executor=executor_id)


def _seat(
    redis_url: str, redis: Redis, access_token: str, app_name: str, executor_id: str, tags: Sequence[str]
) -> Seat:
    consumer = Consumer(redis, connect_blocking(redis_url), app_name, executor_id, tags)
    return Seat(app_name, group_key(access_token, app_name), consumer)


def _on_signals(executor: Executor) -> _Asked:
    asked = _Asked()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.times += 1
        executor.wake()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return asked


def _drain(
    executor: Executor,
    courier: Courier,
    runs: Runs,
    seats: Seats,
    spool: Spool,
    asked: _Asked,
    grace_s: float,
) -> None:
    """Let runs finish, hand the rest back unrun; a second signal hurries."""
    with courier.lease_lock:  # a claim that is on its way arrives before anything is handed back
        pass
    _hand_back(executor.take_waiting(), runs, seats, spool)
    give_up_s = time.monotonic() + grace_s
    while executor.running() and time.monotonic() < give_up_s and asked.times < 2:
        executor.step()
    _hand_back([*executor.abort_all(), *executor.take_waiting()], runs, seats, spool)
    settled_by_s = time.monotonic() + _LAST_SETTLE_S
    while not courier.is_idle() and time.monotonic() < settled_by_s:
        executor.step()


def _hand_back(left: Sequence[Run], runs: Runs, seats: Seats, spool: Spool) -> None:
    seats.hand_back(left)
    runs.drop(run.log_id for run in left)
    for each in left:
        spool.accepted(each.segment)
