"""Jobs of type RQ, on a real `rq worker` that knows nothing of Baton."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from baton.broker import presence
from baton.broker.keys import rq_result
from tests.processes import ROOT
from tests.waiting import until

from .conftest import GROUP

FUNCTIONS = "tests.worker.rq_functions"
pytestmark = pytest.mark.slow


@pytest.fixture
def rq_worker(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts an ordinary RQ worker on these queues."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*queues: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-W", "ignore", "-m", "rq.cli", "worker", "--url", redis_url]
        with (tmp_path / f"rq-{len(started)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [*program, *(queues or ("default",))],
                cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
                # a stop in the wrong instant makes RQ kill the group it is in, which must not be ours
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        started.append(worker)
        return worker

    yield start
    for worker in started:
        for pid in [*children_of(worker.pid), worker.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        worker.wait()


def children_of(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.fixture
def start(world):
    """Start an executor with the bridge to RQ."""

    def start_one(**environ: str):
        return world.start(**{"BATON_RQ_URL": "same", "BATON_RQ_HOOK": "yes", **environ})

    return start_one


def call(world, function: str, param: object = "", **fields: object) -> int:
    text = param if isinstance(param, str) else json.dumps(param)
    return world.push(f"{FUNCTIONS}.{function}", text, glue_type="RQ", **fields)


@pytest.mark.parametrize(
    ("function", "param", "result"),
    [
        ("add", [1, 2, 3], {"sum": 6}),
        ("add", {"times": 3}, {"sum": 0}),
        ("echo", "plain text", "plain text"),
        ("echo", '["[in a list]"]', "[in a list]"),
    ],
)
def test_a_function_of_rq_runs_and_its_result_comes_back(world, start, rq_worker, function, param, result):
    rq_worker()
    start()

    ending = world.ending(call(world, function, param))

    assert (ending.outcome, ending.handle_code, json.loads(ending.result)) == ("succeeded", 200, result)


@pytest.mark.parametrize(
    ("function", "param", "result", "text"),
    [
        ("fill", [65_535], "", "the returned value has 65,537 bytes as JSON, of 65,536 at most"),
        ("no_number", "", '"nan"', "its repr is kept"),
    ],
)
def test_a_result_that_cannot_be_kept_as_it_is_says_why(
    world, start, rq_worker, function, param, result, text
):
    rq_worker()
    start()

    log_id = call(world, function, param)

    assert (world.ending(log_id).outcome, world.ending(log_id).result) == ("succeeded", result)
    assert text in world.log_of(log_id)


@pytest.mark.parametrize("left", ['{"sum": 6}', "6", '["a", "b"]', "[1, 2]", "\\xff"])
def test_what_a_hook_of_another_version_left_ends_nothing(world, start, left):
    start()
    log_id = call(world, "add")
    until(lambda: world.redis.llen("rq:queue:default"), 10, "the job to wait")

    world.redis.set(rq_result(f"baton-{log_id}"), left)
    world.redis.hset(f"rq:job:baton-{log_id}", "status", "finished")

    assert (world.ending(log_id).outcome, world.ending(log_id).result) == ("succeeded", "")
    assert "cannot be read" in world.log_of(log_id)


def test_without_the_hook_the_ending_comes_all_the_same(world, start, rq_worker):
    rq_worker("reports")
    start(BATON_RQ_HOOK="no")

    log_id = world.push(f"reports:{FUNCTIONS}.add", "[1]", glue_type="RQ")

    assert (world.ending(log_id).outcome, world.ending(log_id).result) == ("succeeded", "")
    assert f"enqueued as RQ job baton-{log_id}: {FUNCTIONS}.add on queue reports" in world.log_of(log_id)
    assert "has started it" in world.log_of(log_id) or "succeeded" in world.log_of(log_id)


@pytest.mark.parametrize("hook", ["yes", "no"])
@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("fail", "ValueError: on purpose, in RQ"),
        ("die", "Work-horse terminated unexpectedly"),
        ("no_such", "no_such"),
    ],
)  # fmt: skip
def test_a_failure_says_what_rq_knows_of_it(world, start, rq_worker, function, text, hook):
    rq_worker()
    start(BATON_RQ_HOOK=hook)

    ending = world.ending(call(world, function))

    assert (ending.outcome, ending.handle_code) == ("failed", 500)
    assert text in ending.handle_msg


def test_a_worker_that_dies_ends_its_run(world, start, rq_worker):
    worker = rq_worker()
    start()
    log_id = call(world, "sleep", [600])
    until(lambda: children_of(worker.pid), 10, "the work horse")
    until(lambda: "has started it" in world.log_of(log_id), 10, "its start to be seen")

    horses = children_of(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    for horse in horses:
        os.kill(horse, signal.SIGKILL)
    # what RQ's own expiry does a minute and a half after the last heartbeat
    for key in world.redis.scan_iter("rq:worker:*"):
        world.redis.delete(key)

    ending = world.ending(log_id)
    assert ending.outcome == "failed"
    assert "died while it ran this" in ending.handle_msg


def test_a_time_out_is_rqs_own(world, start, rq_worker):
    rq_worker()
    start()

    ending = world.ending(call(world, "sleep", [600], executor_timeout=1))

    assert (ending.outcome, ending.handle_code) == ("timed_out", 502)
    assert "JobTimeoutException" in ending.handle_msg


def test_time_in_the_queue_does_not_count_as_running(world, start, rq_worker):
    start()
    log_id = call(world, "echo", "at last", executor_timeout=1)
    world.wait_until_running(log_id)
    until(lambda: world.redis.llen("rq:queue:default"), 10, "the job to wait")
    other = world.push("sleep", "1.5")
    assert world.ending(other).outcome == "succeeded"  # longer than the limit has passed

    rq_worker()

    assert world.ending(log_id).outcome == "succeeded"


def test_killing_takes_a_waiting_job_out_of_its_queue(world, start):
    start()
    log_id = call(world, "sleep", [600])
    until(lambda: world.redis.llen("rq:queue:default"), 10, "the job to wait")

    world.kill(log_id)

    assert world.ending(log_id).handle_msg.startswith("killed by a test [job running, killed]\n")
    assert world.redis.llen("rq:queue:default") == 0
    assert world.redis.hget(f"rq:job:baton-{log_id}", "status") == b"canceled"


def test_killing_stops_the_work_horse(world, start, rq_worker):
    worker = rq_worker()
    start(BATON_KILL_GRACE_S="10")
    log_id = call(world, "sleep", [600])
    until(lambda: children_of(worker.pid), 10, "the work horse")
    until(lambda: "has started it" in world.log_of(log_id), 10, "its start to be seen")
    commands = world.redis.pubsub()
    commands.psubscribe("rq:pubsub:*")

    world.kill(log_id)

    assert world.ending(log_id).outcome == "killed"
    until(lambda: not children_of(worker.pid), 10, "the work horse to go")
    assert world.redis.hget(f"rq:job:baton-{log_id}", "status") == b"stopped"
    assert len([each for each in heard(commands) if b"stop-job" in each]) == 1, (
        "a second one may kill the worker"
    )
    assert worker.poll() is None


def heard(subscription) -> list[bytes]:
    """What was said since."""
    messages = iter(lambda: subscription.get_message(ignore_subscribe_messages=False, timeout=0.1), None)
    return [message["data"] for message in messages if message["type"] == "pmessage"]


def test_another_executor_attaches_to_a_job_and_the_function_runs_once(world, start, rq_worker, tmp_path):
    rq_worker()
    first = start()
    trace, go = tmp_path / "trace", tmp_path / "go"
    log_id = call(world, "leave_a_trace", [str(trace), str(go)])
    until(trace.exists, 10, "the function to begin")

    first.terminate()
    assert first.wait() == 0
    second = start()
    until(lambda: f"attached to RQ job baton-{log_id}" in world.log_of(log_id), 10, "the second to attach")
    go.touch()

    ending = world.ending(log_id)
    assert (ending.outcome, ending.attempt) == ("succeeded", 1)
    assert trace.read_text() == "x"
    [executor] = presence.executors(world.redis, GROUP)
    assert ending.executor_address == executor.executor_id
    assert second.is_running


def test_a_job_deleted_from_rq_ends_its_run(world, start):
    start()
    log_id = call(world, "sleep", [600])
    until(lambda: world.redis.llen("rq:queue:default"), 10, "the job to wait")

    world.redis.delete("rq:queue:default", f"rq:job:baton-{log_id}")

    assert "it was deleted from RQ's Redis" in world.ending(log_id).handle_msg


@pytest.mark.parametrize(
    ("handler", "param", "text"),
    [
        ("nightly", "", "'nightly' is not the dotted path of a function"),
        ("my queue:shop.tasks.nightly", "", "'my queue' is not a queue name"),
        ("shop.tasks.nightly", "[1, 2", "the parameter looks like JSON and is not"),
    ],
)
def test_what_cannot_be_enqueued_fails_with_the_reason(world, start, handler, param, text):
    start()

    ending = world.ending(world.push(handler, param, glue_type="RQ"))

    assert ending.outcome == "failed"
    assert text in ending.handle_msg


def test_an_executor_without_the_bridge_says_which_setting_is_missing(world):
    world.start()

    ending = world.ending(call(world, "fail"))

    assert ending.outcome == "failed"
    assert "set BATON_RQ_URL" in ending.handle_msg


def test_two_hundred_wait_at_the_same_time(world, start, rq_worker):
    start(BATON_ASYNC_CONCURRENCY="200")
    ids = world.push_together(*(world.row(f"{FUNCTIONS}.echo", f"{i}", glue_type="RQ") for i in range(200)))
    until(lambda: world.redis.llen("rq:queue:default") == 200, 30, "all to be enqueued")

    for _ in range(2):
        rq_worker()

    assert [json.loads(world.ending(log_id, 60).result) for log_id in ids] == [str(i) for i in range(200)]
