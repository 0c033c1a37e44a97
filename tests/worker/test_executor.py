"""An executor process, seen from outside."""

from __future__ import annotations

import re
import signal

import pytest

from baton.broker import control, presence
from baton.broker.client import connect_blocking
from baton.broker.mailbox import LogRequest, ask_log
from baton.envelope import seal
from baton.messages import TriggerParam
from tests.conftest import redis_client, redis_url  # noqa: F401 - on both kinds of server
from tests.waiting import until

from .conftest import DAY_MS, GROUP, KEY


def test_a_run_succeeds_and_everything_it_says_is_in_its_log(world):
    world.start()
    log_id = world.push("succeed", "7")

    ending = world.ending(log_id)

    assert (ending.outcome, ending.handle_code, ending.result) == ("succeeded", 200, '{"param": "7"}')
    log = world.log_of(log_id)
    for said in (
        "job execute start, param: 7",
        "the param is 7",
        "printed",
        "from a subprocess",
        "job execute end",
    ):
        assert said in log
    assert "handlers_for_tests.py:" in log


@pytest.mark.parametrize(
    ("handler", "fields", "outcome", "code", "text"),
    [
        ("fail", {}, "failed", 500, "RuntimeError: on purpose"),
        ("no-such", {}, "failed", 500, "job handler [no-such] not found."),
        ("succeed", {"glue_type": "GLUE_X"}, "failed", 500, "glueType[GLUE_X] is not valid."),
        ("lose", {}, "failed", 500, "job handle result lost."),
        ("crash", {}, "failed", 500, "the process of the handler exited with code 3 while it ran"),
        ("sleep", {"executor_params": "60", "executor_timeout": 1}, "timed_out", 502, "job execute timeout"),
        ("in-a-thread", {}, "succeeded", 200, ""),
        ("in-a-loop", {}, "succeeded", 200, ""),
    ],
)
def test_how_a_run_may_end(world, handler, fields, outcome, code, text):
    world.start()

    ending = world.ending(world.push(handler, **fields))

    assert (ending.outcome, ending.handle_code) == (outcome, code)
    assert text in ending.handle_msg


def test_a_long_message_is_cut_with_a_mark(world):
    world.start()

    ending = world.ending(world.push("say", "y"))

    assert len(ending.handle_msg) == 50_003
    assert ending.handle_msg.endswith("y...")


def test_a_log_line_of_10_mb_is_cut_with_a_mark(world):
    world.start()
    log_id = world.push("long-line")

    world.ending(log_id)

    assert "[line cut: it had 10,000,000 characters]" in world.log_of(log_id)
    assert len(world.log_of(log_id)) < 100_000


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b"\xc1nonsense", "Malformed"),
        (seal(TriggerParam(GROUP, 1, 1, 1, 1, "succeed", "", "SERIAL_EXECUTION", 0, "BEAN", "", 0, 0, 1, 1, "FAIL"),  # noqa: E501
              b"another key"), "BadSignature"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_trusted_fails_its_run_and_no_other(world, frame, text):
    world.start()
    bad, good = world.push("succeed", frame=frame), world.push("succeed")

    assert text in world.ending(bad).handle_msg
    assert world.ending(good).outcome == "succeeded"


def test_a_killed_run_is_gone_with_everything_it_started(world, tmp_path, alive_with):
    world.start()
    ready = tmp_path / "ready"
    log_id = world.push("stubborn", str(ready))
    until(ready.exists, 10, "the handler and its processes")
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    before = len(alive_with(f"BATON_RUN_MARKER={executor}."))

    assert world.kill(log_id) is control.CancelVerdict.STOPPING
    ending = world.ending(log_id)

    assert (ending.outcome, ending.handle_code) == ("killed", 500)
    first, what_was_needed = ending.handle_msg.split("\n")
    assert first == "killed by a test [job running, killed]"
    assert re.fullmatch(r"it ignored SIGTERM for 0\.5 s, SIGKILL to \d+ processes", what_was_needed)
    assert what_was_needed in world.log_of(log_id)
    assert before > len(alive_with(f"BATON_RUN_MARKER={executor}."))
    assert world.ending(world.push("succeed")).outcome == "succeeded"


def test_a_covered_run_ends_before_its_successor_starts(world):
    world.start()
    first = world.push("sleep", "60", job_id=5, strategy="COVER_EARLY")
    world.wait_until_running(first)

    second = world.push("sleep", "0", job_id=5, strategy="COVER_EARLY")

    covered, succeeded = world.ending(first), world.ending(second)
    first, what_was_needed = covered.handle_msg.split("\n")
    assert first == "block strategy effect: Cover Early [job running, killed]"
    assert re.fullmatch(r"it ended \d+\.\d s after SIGTERM", what_was_needed)
    assert (covered.outcome, succeeded.outcome) == ("covered", "succeeded")
    assert 0 < covered.started_ms <= covered.ended_ms <= succeeded.started_ms


def test_sigterm_hands_unfinished_runs_back_without_using_an_attempt(world, alive_with):
    worker = world.start()
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    log_id = world.push("sleep", "60", job_id=9)
    world.wait_until_running(log_id)

    worker.signal(signal.SIGTERM)
    until(lambda: not worker.is_running, 15, "the executor to stop")

    assert control.lane_depths(world.redis, GROUP, ["9"]) == {"9": 1}
    assert control.running(world.redis, GROUP, [log_id]) == {}
    assert presence.executors(world.redis, GROUP) == []
    assert alive_with(f"BATON_RUN_MARKER={executor}.") == []


def test_kill_9_of_the_executor_leaves_no_child(world, alive_with):
    worker = world.start()
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    world.wait_until_running(world.push("sleep", "60"))

    worker.signal(signal.SIGKILL)

    until(lambda: not alive_with(f"BATON_RUN_MARKER={executor}."), 5, "the children to die")


def test_an_ending_in_the_journal_is_delivered_by_the_next_executor(world):
    doomed = world.start(BATON_FAILPOINTS="settle.before=kill")
    log_id = world.push("succeed")
    until(lambda: not doomed.is_running, 15, "the executor to die before it settled")

    world.start()

    assert world.ending(log_id).outcome == "succeeded"
    until(lambda: len(list((world.folder / "spool").iterdir())) == 1, 10, "the old spool folder to go")


def test_a_run_log_is_read_by_line_number(world, redis_url):  # noqa: F811
    world.start()
    log_id = world.push("succeed", "7")
    world.ending(log_id)
    executor = presence.executors(world.redis, GROUP)[0].executor_id
    blocking = connect_blocking(redis_url)

    def ask(number: int, line: int):
        return ask_log(
            world.redis, blocking, KEY, GROUP, executor, LogRequest(number, DAY_MS, line), wait_s=5
        )

    whole, rest, missing = ask(log_id, 1), ask(log_id, 3), ask(999, 1)
    blocking.close()
    assert (whole.from_line, whole.to_line, whole.is_end) == (1, 5, True)
    assert rest.content == "".join(whole.content.splitlines(keepends=True)[2:])
    assert (missing.content, missing.is_end, missing.message) == (
        "",
        True,
        "readLog fail, logFile not exists",
    )


def test_a_draining_executor_says_so_and_claims_nothing(world):
    worker = world.start(
        BATON_BEAT_INTERVAL_S="60", BATON_EXECUTOR_DEAD_AFTER_S="200", BATON_DRAIN_GRACE_S="30"
    )
    log_id = world.push("sleep", "60", job_id=9)
    world.wait_until_running(log_id)

    worker.signal(signal.SIGTERM)
    until(lambda: presence.executors(world.redis, GROUP)[0].state == "draining", 5, "the state")
    later = world.push("succeed", job_id=10)
    worker.signal(signal.SIGTERM)
    until(lambda: not worker.is_running, 15, "the executor to stop")

    assert control.lane_depths(world.redis, GROUP, ["9", "10"]) == {"9": 1, "10": 1}
    assert later not in world.ended
