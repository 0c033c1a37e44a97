"""Somebody sets the wall clock of an executor: no time-out, lease or beat may follow it."""

from __future__ import annotations

import pytest

from baton.broker import presence
from tests.waiting import until

from .conftest import GROUP

HOUR_S = 3600

SITE = '''
"""Every process that is started here shows the wall clock that the file says."""
import os, time
_time, _time_ns = time.time, time.time_ns
def _offset():
    try:
        with open(os.environ["WALL_CLOCK_OFFSET"]) as file:
            return int(file.read() or 0)
    except (OSError, ValueError, KeyError):
        return 0
time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 1_000_000_000
'''


@pytest.fixture
def wall(tmp_path):
    """Set the wall clock that the executor and its children see."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE)
    offset = tmp_path / "offset"

    def jump(seconds: int) -> None:
        offset.write_text(str(seconds))

    jump.environ = {"PYTHONPATH": str(folder), "WALL_CLOCK_OFFSET": str(offset)}
    return jump


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_changed_clock_ends_no_run_early_and_spares_none(world, wall, jump_s):
    world.start(**wall.environ, BATON_CONCURRENCY="3", BATON_HANDLERS=(
        "tests.worker.handlers_for_tests,tests.worker.coroutines_for_tests,tests.worker.limited_for_tests"
    ))  # fmt: skip
    fits = world.push("sleep", "2", executor_timeout=60)
    too_long = world.push("sleep", "600", executor_timeout=2)
    coroutine = world.push("tidy", executor_timeout=2)
    warned = world.push("warned")
    for log_id in (fits, too_long, coroutine):
        world.wait_until_running(log_id)
    [before] = presence.executors(world.redis, GROUP)
    beats = presence.beats(world.redis, GROUP)[before.executor_id]

    wall(jump_s)

    assert world.ending(fits).outcome == "succeeded"
    assert world.ending(too_long).outcome == "timed_out"
    assert world.ending(coroutine).outcome == "timed_out"
    assert world.ending(warned).result == '"saved"'
    until(lambda: presence.beats(world.redis, GROUP)[before.executor_id] > beats + 5, 10, "it to beat on")
    [after] = presence.executors(world.redis, GROUP)
    assert abs(after.beat_ms - before.beat_ms - jump_s * 1000) < 120_000, "the clock it shows has changed"
    assert world.ending(world.push("succeed")).outcome == "succeeded"
