"""Cover, discard, kill and time-out in a whole installation: what is stopped is gone, with all it started."""

from __future__ import annotations

import time

from baton.broker import control
from tests.processes import is_alive
from tests.waiting import until

from .baton import APP_NAME

GRACE_S = 1.0
QUEUED = "block strategy effect: Cover Early [job not executed, in the job queue, killed.]"


def first_line(row) -> str:
    """What ended it; below stands what that needed."""
    return row.handle_msg.partition("\n")[0]


RUNNING = "block strategy effect: Cover Early [job running, killed]"


def test_the_newest_trigger_covers_all_before_it_and_nothing_of_them_lives(whole_baton):
    """The handler ignores SIGTERM, and has a child and a grandchild that left its process group."""
    baton = whole_baton(BATON_KILL_GRACE_S=str(GRACE_S))
    job_id = baton.job("stubborn-unless-told", block_strategy="COVER_EARLY")
    baton.trigger(job_id, param="stay")
    handler = baton.wait_for_start().pid
    # the child, the grandchild that left the group, and the handler's own process are there
    started = until(lambda: len(found := baton.descendants_of(handler)) >= 2 and found, 10, "its processes")
    # before the covering trigger has a row: the push comes later
    covered_s = time.monotonic()
    baton.trigger(job_id, param="stay")
    until(
        lambda: baton.rows()[1].outcome is None and baton.rows()[1].trigger_code == 200, 10, "a waiting run"
    )
    # the second has covered the first; the third ends the second where it waits
    baton.trigger(job_id, param="end")

    until(lambda: not any(map(is_alive, [handler, *started])), 20, "the covered run's processes to end")
    took_s = time.monotonic() - covered_s
    baton.wait_until_ended(3)

    assert took_s <= GRACE_S + 1.0, "the promise: gone within the grace period and a second"
    assert baton.outcomes() == ["covered", "covered", "succeeded"]
    assert [first_line(row) for row in baton.facts()] == [RUNNING, QUEUED, ""]
    assert baton.verdict(serial=[job_id]).overlapping == ()


def test_a_trigger_that_meets_a_run_is_discarded_with_its_reason(whole_baton):
    baton = whole_baton()
    job_id = baton.job(block_strategy="DISCARD_LATER")
    baton.trigger(job_id, param="1")
    baton.wait_for_start()

    baton.trigger(job_id, 2)
    baton.wait_until_ended(3)

    assert baton.outcomes() == ["succeeded", "discarded", "discarded"]
    for row in baton.facts()[1:]:
        assert (row.trigger_code, row.handle_code) == (500, 0)
        assert "block strategy effect: Discard Later" in row.trigger_msg


def test_a_kill_ends_the_run_that_runs_and_the_run_that_waits(whole_baton):
    baton = whole_baton()
    job_id = baton.job()
    baton.trigger(job_id, 2, param="600")
    handler = baton.wait_for_start().pid
    until(
        lambda: control.lane_depths(baton.redis, APP_NAME, [str(job_id)]) == {str(job_id): 1}, 10, "a queue"
    )
    running, waiting = (row.log_id for row in baton.rows())

    for log_id in (waiting, running):
        control.cancel(baton.redis, APP_NAME, log_id, str(job_id), "not needed")
    baton.wait_until_ended(2)

    assert baton.outcomes() == ["killed", "killed"]
    assert [first_line(row) for row in baton.facts()] == [
        "not needed [job running, killed]",
        "not needed [job not executed, in the job queue, killed.]",
    ]
    assert not is_alive(handler)


def test_a_run_that_takes_too_long_ends_as_timed_out_with_code_502(whole_baton):
    baton = whole_baton()
    job_id = baton.job("stubborn-unless-told", executor_timeout=1)
    baton.trigger(job_id, param="stay")
    handler = baton.wait_for_start().pid

    baton.wait_until_ended(1)

    (row,) = baton.facts()
    assert (row.outcome, row.handle_code, first_line(row)) == ("timed_out", 502, "job execute timeout")
    assert not is_alive(handler)
