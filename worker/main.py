"""What runs in an executor, in which order it starts, and what stops it.

The main thread owns the child processes (`pool`). Beside it, a thread each: the courier (settle
and claim), its wake-up, the leases (beat), the mailbox, the replay of old spools, log retention.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

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
from .courier import Courier
from .leases import Leases
from .mailbox import MailRole
from .pool import Pool
from .replay import LogRetention, Replay
from .runlog import LogReader
from .runs import Run, Runs
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
    app_name: str,
    handlers: Sequence[str],
    tags: Sequence[str],
    concurrency: int,
    log_dir: str,
    log_retention_days: int,
    spool_dir: str,
    kill_grace_s: float,
    drain_grace_s: float,
    beat_interval_s: float,
    executor_dead_after_s: float,
    failpoints: str = "",
) -> None:
    """Serve one executor group until a signal stops it."""
    reaper.become_subreaper()
    executor_id = new_executor_id()
    key = group_key(access_token, app_name)
    redis = connect(redis_url)
    consumer = Consumer(redis, connect_blocking(redis_url), app_name, executor_id, tags)
    logs = Path(log_dir).resolve()
    spool = Spool(Path(spool_dir).resolve(), executor_id)
    runs = Runs()
    courier = Courier(consumer, runs, spool, key, app_name, executor_id)
    known: dict[str, tuple[str, ...]] = {"handlers": ()}
    started_ms = SYSTEM_CLOCK.now_ms()

    def info() -> ExecutorInfo:
        return ExecutorInfo(
            executor_id=executor_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            handlers=known["handlers"],
            slots=concurrency,
            running=min(runs.busy(), concurrency),  # what is given ahead does not run yet
            started_ms=started_ms,
            beat_ms=SYSTEM_CLOCK.now_ms(),
            version=baton.__version__,
            state="draining" if courier.is_draining else "running",
            tags=tuple(tags),
        )

    def on_handlers(names: tuple[str, ...]) -> None:
        if names != known["handlers"]:
            known["handlers"] = names
            beat.wake()

    def written_ending(run: Run) -> bytes | None:
        for frame in spool.frames(run.segment):
            said = unseal(frame, HandleCallbackParam, key)
            if (said.log_id, said.token) == (run.log_id, run.claimed.token):
                return frame
        return None

    pool = Pool(
        slots=concurrency,
        kill_grace_s=kill_grace_s,
        child_settings={
            "app_name": app_name,
            "executor_id": executor_id,
            "key": key.hex(),
            "log_dir": str(logs),
            "spool_folder": str(spool.folder),
            "handlers": list(handlers),
            "failpoints": failpoints,
        },
        on_ended=courier.end,
        on_surplus=courier.return_unrun,
        on_room=courier.set_room,
        written_ending=written_ending,
        on_handlers=on_handlers,
    )
    courier.pool = pool
    leases = Leases(
        consumer, runs, pool, courier, SYSTEM_CLOCK, info,
        beat_interval_s=beat_interval_s, dead_after_s=executor_dead_after_s,
    )  # fmt: skip
    beat = Loop("leases", leases.step)
    mailbox = Mailbox(connect_blocking(redis_url), redis, key, app_name, executor_id)
    loops = [
        beat,
        Loop("replay", Replay(spool, consumer, key).step),
        Loop("courier", courier.step),
        Loop("waiter", courier.wait_step),
        Loop("mailbox", MailRole(mailbox, LogReader(logs), runs, beat.wake).step),
        Loop("retention", LogRetention(logs, log_retention_days).step),
    ]
    asked = _on_signals(pool)
    for loop in loops:
        loop.start()
    telemetry.event("process.started", executor=executor_id, group=app_name, slots=concurrency)
    while not asked.times:
        pool.step()
    telemetry.event("process.stopping", running=pool.running())
    courier.is_draining = True
    beat.wake()  # others see at once that this executor claims nothing any more
    _drain(pool, courier, runs, consumer, spool, asked, drain_grace_s)
    for loop in reversed(loops):
        loop.stop()
    courier.wake()
    pool.close()
    for loop in loops:
        loop.join(5.0)
    consumer.leave()
    spool.close()
    telemetry.event("process.stopped", executor=executor_id)


def _on_signals(pool: Pool) -> _Asked:
    asked = _Asked()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.times += 1
        pool.wake()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return asked


def _drain(
    pool: Pool,
    courier: Courier,
    runs: Runs,
    consumer: Consumer,
    spool: Spool,
    asked: _Asked,
    grace_s: float,
) -> None:
    """Let runs finish, hand the rest back unrun; a second signal hurries."""
    with courier.lease_lock:  # a claim that is on its way arrives before anything is handed back
        pass
    _hand_back(pool.take_waiting(), runs, consumer, spool)
    give_up_s = time.monotonic() + grace_s
    while pool.running() and time.monotonic() < give_up_s and asked.times < 2:
        pool.step()
    _hand_back([*pool.abort_all(), *pool.take_waiting()], runs, consumer, spool)
    settled_by_s = time.monotonic() + _LAST_SETTLE_S
    while not courier.is_idle() and time.monotonic() < settled_by_s:
        pool.step()


def _hand_back(left: Sequence[Run], runs: Runs, consumer: Consumer, spool: Spool) -> None:
    consumer.hand_back({run.log_id: run.claimed.token for run in left})
    runs.drop(run.log_id for run in left)
    for each in left:
        spool.accepted(each.segment)
