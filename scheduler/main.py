"""Which loops the scheduler process runs, and what they are made of."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from baton import process_log, telemetry
from baton.broker.client import connect, connect_blocking
from baton.broker.nudge import wait_for_nudge
from baton.broker.presence import new_executor_id
from baton.broker.tally import Tally
from baton.loop import Loop, run_until_signal
from baton.spans import Places
from baton.store.engine import make_engine
from baton.vocabulary import Role

from .alarm_router import AlarmRouter
from .alarm_watch import AlarmWatch
from .chores import Chores
from .late_watch import LateWatch
from .planner import Planner
from .push_spans import PushSpans
from .pusher import Pusher
from .sweeper import Sweeper
from .watcher import Watcher

if TYPE_CHECKING:
    from baton.tracing import Tracing

NUDGE_WAIT_S = 1.0
"""How long one blocking call waits for a nudge: a stop is obeyed within this time."""
PLAN_AHEAD_MS = 400
"""Rows are made so long before their fire time: thousands of one moment are there when it comes.

A job that is stopped within this time still has its run.
"""


def run(
    *,
    redis_url: str,
    database_url: str,
    access_token: str,
    tracing: Tracing | None,
    misfire_threshold_s: float,
    sweep_interval_s: float,
    executor_dead_after_s: float,
    no_executor_after_s: float,
    late_after_s: float,
    beat_interval_s: float,
) -> None:
    """Plan, push, sweep and watch until SIGTERM or SIGINT."""
    engine = make_engine(database_url)
    redis, blocking = connect(redis_url), connect_blocking(redis_url)

    def wake_sweeper() -> None:
        sweeper_loop.wake()

    pusher = Pusher(
        engine,
        redis,
        access_token=access_token,
        host=socket.gethostname(),
        on_closed=wake_sweeper,
        spans=PushSpans(tracing, Places(access_token)) if tracing is not None else None,
    )
    pusher_loop = Loop("pusher", pusher.step)
    planner = Planner(
        engine,
        misfire_threshold_ms=round(misfire_threshold_s * 1000),
        on_planned=pusher_loop.wake,
        plan_ahead_ms=PLAN_AHEAD_MS,
    )
    planner_loop = Loop("planner", planner.step)
    sweeper = Sweeper(
        engine,
        redis,
        pusher,
        host=socket.gethostname(),
        on_opened=pusher_loop.wake,
        sweep_interval_s=sweep_interval_s,
        # by then an executor has named its runs, or has stopped them itself
        reassert_window_s=executor_dead_after_s,
    )
    sweeper_loop = Loop("sweeper", sweeper.step)
    router = AlarmRouter(engine, redis)
    alarm_watch = AlarmWatch(engine, redis, no_executor_after_s=no_executor_after_s)
    late_watch = LateWatch(engine, redis, late_after_s=late_after_s)
    timetable = Chores(redis)
    watcher = Watcher(engine, redis, dead_after_s=executor_dead_after_s, host=socket.gethostname())

    def wake_when_nudged() -> float:
        if wait_for_nudge(blocking, NUDGE_WAIT_S):
            planner_loop.wake()
            pusher_loop.wake()
        return 0.0

    loops = [
        sweeper_loop,
        Loop("watcher", watcher.step),
        Loop("alarm router", router.step),
        Loop("alarm watch", alarm_watch.step),
        Loop("late watch", late_watch.step),
        Loop("chores", timetable.step),
        pusher_loop,
        planner_loop,
        Loop("nudge", wake_when_nudged),
    ]
    name = new_executor_id()
    process_log.known_as(name)
    tally = Tally(redis, Role.SCHEDULER, name, interval_s=beat_interval_s, loops=loops)
    telemetry.event("process.started")
    run_until_signal([*loops, Loop("tally", tally.step)])
    if tracing is not None:
        tracing.stop()
    telemetry.event("process.stopped")
    tally.leave()
    blocking.close()
    redis.close()
    engine.dispose()
