"""Short runs are given to a child ahead; nothing a run can notice may follow from it."""

from __future__ import annotations

import signal

import pytest

from baton.broker import control
from baton.vocabulary import Ending
from tests.waiting import until

from .conftest import GROUP


@pytest.fixture
def one_child(world):
    """An executor with one slot that has seen many short runs, so that it gives runs ahead."""
    worker = world.start(BATON_CONCURRENCY="1")
    for log_id in world.push_together(*(world.row("nothing") for _ in range(150))):
        world.ending(log_id)
    return worker


def test_what_is_behind_a_long_run_goes_back_to_its_lane_and_runs_elsewhere(world, one_child):
    long, *behind = world.push_together(
        world.row("sleep", "60", job_id=900), *(world.row("nothing", job_id=901 + n) for n in range(5))
    )
    world.wait_until_running(long)

    one_child.wait_for("claim.returned")
    until(lambda: control.running(world.redis, GROUP, [long, *behind]).keys() == {long}, 5, "one lease")
    world.start()

    assert [world.ending(log_id).outcome for log_id in behind] == ["succeeded"] * 5


def test_a_run_given_ahead_is_killed_without_being_begun(world, one_child):
    first, second = world.push_together(
        world.row("sleep", "60", job_id=900), world.row("nothing", job_id=901)
    )
    world.wait_until_running(first)

    world.kill(second, 901)
    world.kill(first, 900)

    # it is met in the executor or, after a moment, in its lane
    result = world.result(second)
    said = result.reason if result.ending is Ending.KILLED else world.ending(second).handle_msg
    assert said == "killed by a test [job not executed, in the job queue, killed.]"
    assert world.ending(first).handle_msg.startswith("killed by a test [job running, killed]\n")


def test_a_child_that_dies_takes_no_run_with_it_but_the_one_it_ran(world, one_child):
    crashed, *others = world.push_together(
        world.row("crash-after-a-while"), *(world.row("nothing") for _ in range(10))
    )

    assert world.ending(crashed).handle_msg == "the process of the handler exited with code 3 while it ran"
    assert {world.ending(log_id).outcome for log_id in others} == {"succeeded"}


def test_large_parameters_do_not_hold_the_executor_up(world, one_child):
    large = "x" * 400_000
    log_ids = world.push_together(*(world.row("nothing", large) for _ in range(20)))
    slow = world.push("sleep", "60", job_id=900)

    assert {world.ending(log_id).outcome for log_id in log_ids} == {"succeeded"}
    world.wait_until_running(slow)
    world.kill(slow, 900)
    assert world.ending(slow).outcome == "killed"


def test_sigterm_hands_back_what_was_given_ahead(world, one_child):
    lanes = [str(900 + n) for n in range(6)]
    first, *_ = world.push_together(
        world.row("sleep", "60", job_id=900), *(world.row("sleep", "60", job_id=901 + n) for n in range(5))
    )
    world.wait_until_running(first)

    one_child.signal(signal.SIGTERM)
    until(lambda: not one_child.is_running, 15, "the executor to stop")

    assert control.lane_depths(world.redis, GROUP, lanes) == dict.fromkeys(lanes, 1)
