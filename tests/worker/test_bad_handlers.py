"""One bad handler never disturbs the other runs of its executor."""

from __future__ import annotations

import shutil
import subprocess

import pytest

BOTH = "tests.worker.handlers_for_tests,tests.worker.limited_for_tests"

BAD = [
    ("segfault", {}, "failed", "was ended by SIGSEGV"),
    ("crash", {}, "failed", "exited with code 3"),
    ("balloon", {}, "failed", "memory limit"),
    ("flood", {}, "succeeded", ""),
    ("delete-logs", {}, "succeeded", ""),
    ("close-descriptors", {}, "failed", ""),
    ("kill-group", {}, "failed", "was ended by SIGKILL"),
    ("take-signals", {"executor_timeout": 1}, "timed_out", "job execute timeout"),
    ("return-twice", {}, "", ""),
]


@pytest.mark.parametrize(("handler", "fields", "outcome", "text"), BAD, ids=[bad[0] for bad in BAD])
def test_its_neighbours_go_on(world, handler, fields, outcome, text):
    world.start(BATON_HANDLERS=BOTH, BATON_CONCURRENCY="3", BATON_LOG_CAP_BYTES="200000")
    neighbours = [world.push("sleep", "2") for _ in range(2)]
    for log_id in neighbours:
        world.wait_until_running(log_id)

    bad = world.push(handler, str(world.folder / "logs"), **fields)
    ending = world.ending(bad, 30)
    after = [world.push("nothing") for _ in range(5)]

    if outcome:
        assert ending.outcome == outcome
    assert text in ending.handle_msg
    assert {world.ending(log_id).outcome for log_id in [*neighbours, *after]} == {"succeeded"}
    assert world.ending(bad).log_id == bad


@pytest.mark.parametrize(
    ("closing", "speaking"),
    [
        ("close-output", "speak-below-python"),
        ("close-output-in-a-coroutine", "speak-below-coroutines"),
    ],
)
def test_the_next_run_in_the_same_process_has_its_output_again(world, closing, speaking):
    world.start(BATON_HANDLERS=BOTH, BATON_CONCURRENCY="1")

    for _ in range(3):  # there are two children
        assert world.ending(world.push(closing)).outcome == "succeeded"
        log_id = world.push(speaking)
        ending = world.ending(log_id)

        assert (ending.outcome, ending.result) == ("succeeded", '["pipe", "pipe"]')
        assert ("INFO [output] from below" in world.log_of(log_id)) == (closing == "close-output")


def test_the_next_run_in_the_same_process_hears_signals_again(world):
    world.start(BATON_HANDLERS=BOTH, BATON_CONCURRENCY="1", BATON_KILL_GRACE_S="5")

    for _ in range(2):
        assert world.ending(world.push("spoil-signals")).outcome == "succeeded"
    log_id = world.push("sleep-politely", executor_timeout=1)

    assert "after SIGTERM" in world.ending(log_id).handle_msg


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount here")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_costs_words_and_no_results(world, small_disk):
    world.start(
        BATON_HANDLERS=BOTH, BATON_LOG_DIR=str(small_disk / "logs"), BATON_SPOOL_DIR=str(small_disk / "spool")
    )
    neighbour = world.push("sleep", "2")

    flood = world.push("flood")
    after = [world.push("nothing") for _ in range(5)]

    assert {world.ending(log_id, 30).outcome for log_id in [flood, neighbour, *after]} == {"succeeded"}
