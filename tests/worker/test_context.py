"""What a handler knows and says, in a real executor."""

from __future__ import annotations

import json
import signal

import pytest

from baton.broker import progress
from tests.waiting import until

from .conftest import GROUP


@pytest.fixture
def redis_url(one_redis_url: str) -> str:
    """One kind of server: nothing here depends on its version."""
    return one_redis_url


@pytest.fixture
def start(world, tmp_path):
    """Start an executor with the handlers of these tests, one child for functions."""

    def start_one(**environ: str):
        return world.start(
            **{
                "BATON_HANDLERS": "tests.worker.context_for_tests",
                "BATON_TEST_FOLDER": str(tmp_path),
                "BATON_CONCURRENCY": "1",
                **environ,
            }
        )

    return start_one


def said(world, log_id: int) -> tuple[float, str] | None:
    reported = progress.of_runs(world.redis, GROUP, [log_id]).get(log_id)
    return reported and (reported.progress.fraction, reported.progress.note)


@pytest.mark.parametrize("handler", ["class", "async-class"])
def test_a_class_has_one_instance_per_child_that_is_destroyed_when_the_child_leaves(
    world, start, tmp_path, handler
):
    worker = start()

    answers = [world.ending(world.push(handler, str(tmp_path))).result for _ in range(3)]

    pids = {json.loads(answer).split()[0] for answer in answers}
    worker.signal(signal.SIGTERM)
    until(lambda: not worker.is_running, 15, "the executor to stop")
    counted = [path.name.split("-") for path in tmp_path.glob("destroyed-*")]
    assert {pid for _, pid, _ in counted} == pids, "each instance that was made was destroyed"
    assert sum(int(runs) for _, _, runs in counted) == 3, "and each counted its own runs"
    assert ("destroy fails on purpose" in worker.output) == (handler == "async-class"), "errors are logged"


def test_an_init_that_fails_fails_its_run_and_is_tried_again_by_the_next(world, start, tmp_path):
    start()
    log_id = world.push("needs-a-file")
    first = world.ending(log_id)
    (tmp_path / "ready").write_text("here")

    second = world.ending(world.push("needs-a-file"))

    assert first.outcome == "failed"
    assert "FileNotFoundError" in first.handle_msg
    assert "Traceback" in first.handle_msg
    assert world.log_of(log_id).count("Traceback (most recent call last)") == 1
    assert (second.outcome, second.result) == ("succeeded", '"here"')


def test_progress_is_seen_while_the_run_runs_and_its_last_word_stays(world, start, tmp_path):
    start()
    log_id = world.push("report", str(tmp_path))
    until((tmp_path / "reported").exists, 10, "the handler to report")

    until(lambda: said(world, log_id) == (0.4, "row 40"), 5, "the newest of many words")
    (tmp_path / "go").touch()
    world.ending(log_id)

    until(lambda: said(world, log_id) == (0.75, "nearly there"), 5, "the last word")
    assert "progress 75% nearly there" in world.log_of(log_id)
    assert world.log_of(log_id).count("progress ") == 1, "not a line for each of the forty"
    key = f"baton:{{{GROUP}}}:progress:{log_id}"
    assert 0 < world.redis.ttl(key) <= progress.KEPT_S


def test_a_coroutine_reports_from_a_thread_of_its_own(world, start, tmp_path):
    start()
    log_id = world.push("report-from-a-coroutine", str(tmp_path))

    until(lambda: said(world, log_id) == (0.3, "from a thread"), 10, "its word")
    (tmp_path / "go").touch()

    assert world.ending(log_id).outcome == "succeeded"


def test_ten_coroutines_at_a_time_are_each_found_from_their_tasks_threads_and_pools(world, start):
    start()

    ids = world.push_together(*(world.row("who-am-i", "10") for _ in range(10)))

    assert {log_id: json.loads(world.ending(log_id).result) for log_id in ids} == {
        log_id: [log_id] * 5 for log_id in ids
    }


def test_a_thread_that_a_run_left_behind_never_speaks_for_the_next_run(world, start, tmp_path):
    start()
    first = world.push("leave-a-thread", str(tmp_path))
    world.ending(first)
    next_one = world.push("wait-for-end", str(tmp_path))
    world.wait_until_running(next_one)

    (tmp_path / "go").touch()
    until((tmp_path / "answer").exists, 10, "the thread to ask")
    (tmp_path / "end").touch()
    world.ending(next_one)

    assert f"run {first} left behind" in (tmp_path / "answer").read_text()
    assert "from beyond" not in world.log_of(first) + world.log_of(next_one)


@pytest.mark.parametrize(
    ("param", "result", "line"),
    [
        ("large", "", "the returned value has 70,002 bytes as JSON, of 65,536 at most"),
        ("odd", "<object object at", "the returned value cannot be kept as JSON"),
        ("nan", '"nan"', "the returned value cannot be kept as JSON"),
    ],
)
def test_a_result_that_cannot_be_kept_as_it_is_is_said_in_the_log(world, start, param, result, line):
    start()
    log_id = world.push("answer", param)

    ending = world.ending(log_id)

    assert ending.outcome == "succeeded"
    assert result in ending.result
    assert line in world.log_of(log_id)
