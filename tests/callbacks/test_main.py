"""The whole process, started as a deployment starts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..factories import ACCESS_TOKEN
from ..processes import Processes
from ..scheduler.world import World
from ..waiting import until

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


def test_a_settled_run_ends_its_row_and_the_process_stops_when_told(
    world: World, processes: Processes
) -> None:
    log_id = world.row(world.job(world.group()))
    world.pusher().push_pending()
    executor = world.executor()
    executor.settle(executor.claim())
    callbacks = processes.callbacks()

    until(lambda: world.log(log_id)["outcome"] == "succeeded", 20, "the row to end")

    callbacks.signal(signal.SIGTERM)
    assert callbacks.wait() == 0
    assert "loop.failed" not in callbacks.output
