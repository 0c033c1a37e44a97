"""The whole process, started as a deployment starts it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.broker import recovery
from baton.broker.client import connect
from baton.broker.nudge import nudge

from ..factories import ACCESS_TOKEN
from ..processes import Processes
from ..waiting import until
from .world import GROUP, World

pytestmark = pytest.mark.slow


@pytest.fixture
def processes(world: World, tmp_path: Path) -> Iterator[Processes]:
    environ = os.environ | {
        "REDIS_URL": world.redis_url,
        "DATABASE_URL": world.engine.url.render_as_string(hide_password=False),
        "BATON_ACCESS_TOKEN": ACCESS_TOKEN,
    }
    processes = Processes(tmp_path, environ)
    yield processes
    processes.clean_up()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_due_job_reaches_its_lane_and_the_process_stops_when_told(
    world: World, processes: Processes
) -> None:
    job = world.job(world.group(is_open=False), next_trigger_time=now_ms())
    scheduler = processes.scheduler()

    until(lambda: world.waiting(job), 20, "the message in its lane")
    assert recovery.is_open(world.redis, GROUP)
    until(lambda: world.logs(job)[0]["trigger_code"] == 200, 10, "the row to be marked")

    scheduler.signal(signal.SIGTERM)
    assert scheduler.wait() == 0
    assert "process.stopped" in scheduler.output
    assert "loop.failed" not in scheduler.output


def test_a_nudge_brings_a_manual_trigger_into_its_lane(world: World, processes: Processes) -> None:
    job = world.job(world.group(), trigger_status=0)
    processes.scheduler().wait_for("process.started")

    log_id = world.row(job)
    nudge(world.redis)

    until(lambda: world.waiting(job) == [log_id], 10, "the message in its lane")


def test_two_schedulers_plan_each_second_once(world: World, processes: Processes) -> None:
    job = world.job(world.group(), schedule_conf="1", next_trigger_time=now_ms())
    processes.scheduler()
    processes.scheduler()

    until(lambda: len(world.logs(job)) >= 4, 20, "four rows")

    planned = [row["fire_at"] for row in world.logs(job)]
    assert planned == [planned[0] + 1000 * n for n in range(len(planned))]
    until(lambda: len(world.waiting(job)) >= 4, 10, "four messages")
    assert len(set(world.waiting(job))) == len(world.waiting(job))


@pytest.mark.parametrize("name", ["scheduler", "worker", "callbacks", "background"])
def test_no_process_begins_on_a_redis_that_forgets(name, own_redis, tmp_path, sqlite_url):
    server = own_redis()
    with connect(server.url) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    environ = {"REDIS_URL": server.url, "DATABASE_URL": sqlite_url, "BATON_ACCESS_TOKEN": ACCESS_TOKEN}
    processes = Processes(tmp_path, os.environ | environ)
    try:
        process = processes.start(name)
        assert process.wait() == 78
        assert "REDIS_URL: It evicts keys when memory is short (allkeys-lru)" in process.output
    finally:
        processes.clean_up()
