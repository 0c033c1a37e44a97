"""An executor that a person drains, and the stop of one, seen from outside."""

from __future__ import annotations

import signal

from baton.broker import control, presence
from tests.waiting import until

from .conftest import GROUP


def state(world) -> str:
    return presence.executors(world.redis, GROUP)[0].state


def test_a_drained_executor_finishes_what_it_has_claims_nothing_and_may_be_resumed(world, tmp_path):
    # beats are far apart: it obeys because it is told, not because it looked
    world.start(BATON_BEAT_INTERVAL_S="60", BATON_EXECUTOR_DEAD_AFTER_S="200")
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    running = world.push("sleep", "1.5")
    world.wait_until_running(running)

    assert control.drain(world.redis, GROUP, executor, "ana", 7)
    until(lambda: state(world) == "draining", 5, "it to obey and to say so")
    later = world.push("nothing", job_id=77)

    assert world.ending(running).outcome == "succeeded"
    assert control.lane_depths(world.redis, GROUP, ["77"]) == {"77": 1}
    assert control.drains(world.redis, GROUP) == {executor: control.Drain("ana", 7)}

    control.resume(world.redis, GROUP, executor)

    assert world.ending(later).outcome == "succeeded"
    until(lambda: state(world) == "running", 5, "it to say so")


def test_a_drained_executor_leaves_the_wake_up_to_others(world):
    world.start(BATON_BEAT_INTERVAL_S="60", BATON_EXECUTOR_DEAD_AFTER_S="200")
    drained = presence.executors(world.redis, GROUP)[0].executor_id
    control.drain(world.redis, GROUP, drained, "ana", 1)
    until(lambda: state(world) == "draining", 5, "it to obey")
    world.processes.worker(BATON_BEAT_INTERVAL_S="60", BATON_EXECUTOR_DEAD_AFTER_S="200")
    until(
        lambda: any(e.handlers for e in presence.executors(world.redis, GROUP) if e.executor_id != drained),
        20,
        "another executor",
    )

    endings = [world.ending(world.push("nothing")) for _ in range(5)]

    assert drained not in {ending.executor_address for ending in endings}


def test_a_stopped_executor_forgets_its_drain(world):
    worker = world.start()
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    control.drain(world.redis, GROUP, executor, "ana", 1)

    worker.signal(signal.SIGTERM)
    until(lambda: not worker.is_running, 15, "the executor to stop")

    assert control.drains(world.redis, GROUP) == {}
    assert not control.drain(world.redis, GROUP, executor, "ana", 1)
