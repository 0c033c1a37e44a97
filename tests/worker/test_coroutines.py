"""`async def` handlers: many on one event loop, each ended for itself."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

import pytest

from baton.broker import presence, recovery
from baton.broker.consumer import MAX_CLAIM_RUNS
from baton.broker.producer import Producer
from baton.broker.results import Results
from baton.envelope import group_key, seal, unseal
from baton.messages import HandleCallbackParam, TriggerParam
from tests import factories
from tests.conftest import redis_client, redis_url  # noqa: F401 - on both kinds of server
from tests.waiting import until

from .conftest import GROUP

BOTH = "tests.worker.handlers_for_tests,tests.worker.coroutines_for_tests"


@pytest.fixture
def start(world):
    """Start an executor that knows functions and coroutines."""

    def start_one(**environ: str):
        return world.start(**{"BATON_HANDLERS": BOTH, **environ})

    return start_one


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_hundred_wait_together_and_their_init_ran_once(world, start):
    start()

    ids = world.push_together(*(world.row("meet", "100") for _ in range(100)))

    # each ends only when all hundred are there at the same time
    assert {world.ending(log_id, 30).result for log_id in ids} == {'["init"]'}


def test_no_more_run_at_a_time_than_the_executor_may_have(world, start):
    start(BATON_ASYNC_CONCURRENCY="3")

    ids = world.push_together(*(world.row("count", "0.05") for _ in range(12)))

    assert max(int(world.ending(log_id).result) for log_id in ids) == 3


def test_each_writes_into_its_own_log(world, start):
    start()
    ids = world.push_together(*(world.row("speak", f"speaker-{i}") for i in range(5)))

    for i, log_id in enumerate(ids):
        assert world.ending(log_id).result == f'"speaker-{i}"'
        said = [line for line in world.log_of(log_id).splitlines() if "says" in line or "logs" in line]
        assert len(said) == 6
        assert all(f"speaker-{i} " in line and "coroutines_for_tests.py:" in line for line in said)


@pytest.mark.parametrize(
    ("handler", "outcome", "code", "text"),
    [
        ("raise", "failed", 500, "RuntimeError: a coroutine on purpose"),
        ("leave", "failed", 500, "the process of the event loop exited with code 5 while it ran"),
    ],
)  # fmt: skip
def test_how_a_coroutine_may_end(world, start, handler, outcome, code, text):
    start()

    ending = world.ending(world.push(handler))

    assert (ending.outcome, ending.handle_code) == (outcome, code)
    assert text in ending.handle_msg
    assert world.ending(world.push("speak", "next")).outcome == "succeeded"


@pytest.mark.parametrize("handler", ["tidy", "swallow"])
def test_a_killed_coroutine_ends_and_its_neighbour_does_not(world, start, tmp_path, handler):
    start(BATON_KILL_GRACE_S="10")
    neighbour = world.push("wait-for", str(tmp_path / "go"))
    killed = world.push(handler)
    world.wait_until_running(neighbour)
    world.wait_until_running(killed)

    world.kill(killed)
    ending = world.ending(killed)
    (tmp_path / "go").touch()

    assert ending.outcome == "killed"
    first, what_was_needed = ending.handle_msg.split("\n")
    assert first == "killed by a test [job running, killed]"
    assert re.fullmatch(r"it ended \d\.\d s after it was cancelled", what_was_needed)
    assert ("tidied up, cancelled: True" if handler == "tidy" else "went on") in world.log_of(killed)
    assert world.ending(neighbour).outcome == "succeeded"


def test_a_coroutine_times_out(world, start):
    start()

    ending = world.ending(world.push("tidy", executor_timeout=1))

    assert (ending.outcome, ending.handle_code) == ("timed_out", 502)
    assert ending.handle_msg.startswith("job execute timeout\nit ended ")


def test_one_that_refuses_to_end_is_killed_once_its_neighbours_have_ended(world, start, tmp_path):
    start()
    neighbour = world.push("wait-for", str(tmp_path / "go"))
    stubborn = world.push("refuse-to-end")
    world.wait_until_running(neighbour)
    world.wait_until_running(stubborn)

    world.kill(stubborn)
    # new runs go to a fresh loop, while the neighbour still has the old one
    (tmp_path / "there").touch()
    first = world.ending(world.push("wait-for", str(tmp_path / "there")))
    until(
        lambda: (
            (fresh := world.ending(world.push("wait-for", str(tmp_path / "there")))).result != first.result
            and fresh.outcome == "succeeded"
        ),
        10,
        "a fresh event loop",
    )
    (tmp_path / "go").touch()

    assert (world.ending(neighbour).outcome, world.ending(neighbour).result) == ("succeeded", first.result)
    assert world.ending(stubborn).handle_msg == (
        "killed by a test [job running, killed]\n"
        "it ignored being cancelled for 0.5 s, its event loop was killed"
    )
    until(lambda: not is_alive(int(first.result)), 10, "the old loop to go")


def test_a_blocked_loop_is_killed_when_a_run_on_it_times_out(world, start, tmp_path):
    start()
    (tmp_path / "there").touch()
    world.ending(world.push("wait-for", str(tmp_path / "there")))
    neighbour = world.push("tidy")
    again = world.push("wait-for", str(tmp_path / "go"), on_lost="RERUN")
    world.wait_until_running(neighbour)
    world.wait_until_running(again)

    blocking = world.push("block", "600", executor_timeout=3)
    world.wait_until_running(blocking)
    ending = world.ending(blocking, 30)
    (tmp_path / "go").touch()

    assert ending.outcome == "timed_out"
    assert "has stood still for 2 s" in world.log_of(blocking)
    assert "in block\n    time.sleep(float(context.param))" in world.log_of(blocking)
    assert f"it ran on the event loop of run {blocking}" in world.ending(neighbour).handle_msg
    assert world.ending(again, 30).outcome == "succeeded"


def test_the_tasks_of_a_killed_coroutine_end_with_it(world, start, tmp_path):
    start()
    killed = world.push("leave-a-task", str(tmp_path / "ended"))
    world.wait_until_running(killed)

    world.kill(killed)

    assert "after it was cancelled" in world.ending(killed).handle_msg
    assert (tmp_path / "ended").exists()


def test_what_a_class_started_for_all_its_runs_outlives_a_killed_one(world, start):
    start()
    killed = world.push("shared-task", "wait")
    world.wait_until_running(killed)

    world.kill(killed)

    assert world.ending(killed).outcome == "killed"
    assert world.ending(world.push("shared-task")).result == '"there"'


def test_what_a_killed_coroutine_started_is_gone(world, start, tmp_path):
    start()
    log_id = world.push("spawn", str(tmp_path / "pid"))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 10, "its process")
    pid = int((tmp_path / "pid").read_text())

    world.kill(log_id)

    assert world.ending(log_id).outcome == "killed"
    assert not is_alive(pid)


def test_functions_that_wait_for_a_child_do_not_hold_up_coroutines(world, start, tmp_path):
    start()
    sleeping = [world.push("sleep", "60") for _ in range(2)]
    for log_id in sleeping:
        world.wait_until_running(log_id)
    # far more lanes than one claim looks at, all before the coroutine's
    for _page in range(3):
        world.push_together(*(world.row("nothing") for _ in range(MAX_CLAIM_RUNS)))

    (tmp_path / "there").touch()

    assert world.ending(world.push("wait-for", str(tmp_path / "there"))).outcome == "succeeded"


def test_coroutines_without_room_do_not_hold_up_functions(world, start, tmp_path):
    start(BATON_ASYNC_CONCURRENCY="2")
    ids = world.push_together(*(world.row("wait-for", str(tmp_path / "go")) for _ in range(150)))

    assert world.ending(world.push("nothing")).outcome == "succeeded"
    (tmp_path / "go").touch()
    assert {world.ending(log_id, 30).outcome for log_id in ids} == {"succeeded"}


def test_a_handler_has_no_more_runs_than_it_may_have(world, start, tmp_path):
    start(BATON_CONCURRENCY="4")
    path = tmp_path / "words"
    ids = world.push_together(*(world.row("two-at-a-time", str(path)) for _ in range(12)))

    assert {world.ending(log_id).outcome for log_id in ids} == {"succeeded"}
    here = list(itertools.accumulate(1 if word == "+" else -1 for word in path.read_text()))
    assert max(here) == 2


def test_sigterm_hands_coroutines_back_without_using_an_attempt(world, start, tmp_path):
    first = start()
    log_id = world.push("wait-for", str(tmp_path / "go"))
    world.wait_until_running(log_id)

    first.terminate()
    assert first.wait() == 0
    start()
    (tmp_path / "go").touch()

    ending = world.ending(log_id)
    assert (ending.outcome, ending.attempt) == ("succeeded", 1)


def test_one_executor_serves_several_groups(world, start, redis_url):  # noqa: F811
    recovery.open_group(world.redis, "second")
    start(BATON_GROUP=f"{GROUP}, second")
    until(lambda: presence.executors(world.redis, "second"), 10, "its seat in the second group")
    key = group_key(factories.ACCESS_TOKEN, "second")
    rows = [world.row("succeed", "here", app_name=GROUP), world.row("succeed", "there", app_name="second")]
    trigger = TriggerParam(
        "second", rows[1].log_id, rows[1].log_id, 1_700_000_000_000, 1, "succeed", "there",
        "SERIAL_EXECUTION", 0, "BEAN", "", 0, 0, 1, 1, "FAIL",
    )  # fmt: skip
    second = type(rows[1])(rows[1].log_id, rows[1].lane, "SERIAL_EXECUTION", 1, "FAIL", seal(trigger, key))
    results = Results(world.redis, world.redis, "judge of the second")

    world.push_together(rows[0])
    Producer(world.redis).push("second", [second])

    assert json.loads(world.ending(rows[0].log_id).result) == {"param": "here"}
    [entry] = until(lambda: results.read(["second"], count=10, block_ms=20), 10, "its result")
    [item] = entry.items
    assert json.loads(unseal(item.frame, HandleCallbackParam, key).result) == {"param": "there"}
    [info] = presence.executors(world.redis, "second")
    assert info.pid in {each.pid for each in presence.executors(world.redis, GROUP)}
    assert os.path.exists(f"/proc/{info.pid}")
