"""A SIGKILL at every named seam of every role: the next process of the role makes it good.

`tests/house/test_failpoints.py` holds this list against the code.
"""

from __future__ import annotations

import pytest

from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("failpoint", ["plan.before_commit", "plan.committed"])
def test_a_scheduler_killed_around_the_plan(whole_baton, failpoint):
    baton = whole_baton(schedulers=0)
    job_id = baton.job(schedule_type="FIX_RATE", schedule_conf="1", trigger_status=1, next_trigger_time=1)
    baton.plan_from_now(job_id)
    baton.start(schedulers=1, BATON_FAILPOINTS=f"{failpoint}=kill@2")
    until(lambda: not baton.schedulers[0].is_running, 20, "the scheduler to die")

    baton.start(schedulers=1)
    baton.wait_until_ended(4)

    fire_times = [row.fire_at for row in baton.facts()]
    assert fire_times == list(range(fire_times[0], fire_times[-1] + 1, 1000)), "each second once"
    assert baton.verdict(serial=[job_id]).is_clean


def test_a_consumer_killed_after_it_acknowledged(whole_baton):
    """The retry it inserted is pushed though nobody was told of it."""
    baton = whole_baton(callbacks=0)
    baton.start(callbacks=1, BATON_FAILPOINTS="apply.acknowledged=kill")
    baton.trigger(baton.job("fail-once", executor_fail_retry_count=1), param=str(baton.folder / "tried"))
    until(lambda: not baton.callbacks[0].is_running, 20, "the consumer to die")

    baton.start(callbacks=1)
    baton.wait_until_ended(2)

    assert baton.outcomes() == ["failed", "succeeded"]


@pytest.mark.parametrize("failpoint", ["claim.done", "settle.done", "run.killed"])
def test_an_executor_killed_between_two_steps(whole_baton, failpoint):
    baton = whole_baton(workers=0)
    baton.start(workers=1, BATON_FAILPOINTS=f"{failpoint}=kill")
    job_id = baton.job(on_lost="RERUN", executor_timeout=1 if failpoint == "run.killed" else 0)
    baton.trigger(job_id, param="60" if failpoint == "run.killed" else "0")
    until(lambda: not baton.workers[0].is_running, 20, "the executor to die")

    baton.start(workers=1)
    baton.wait_until_ended(1, within_s=30)

    expected = {"claim.done": "succeeded", "settle.done": "succeeded", "run.killed": "timed_out"}
    assert baton.outcomes() == [expected[failpoint]]
    assert baton.verdict(serial=[job_id]).overlapping == ()


def test_a_child_killed_before_its_handler_began(whole_baton):
    baton = whole_baton(workers=0)
    baton.start(workers=1, BATON_FAILPOINTS="run.started=kill")
    baton.trigger(baton.job("fail-once", executor_fail_retry_count=0))

    baton.wait_until_ended(1)

    (row,) = baton.facts()
    assert row.outcome == "failed"
    assert "the process of the handler was ended by SIGKILL while it ran" in row.handle_msg
    assert baton.ledger.spans() == []


def test_an_executor_killed_while_it_delivers_what_another_left(whole_baton):
    baton = whole_baton(workers=0)
    baton.start(workers=1, BATON_FAILPOINTS="settle.before=kill")
    baton.trigger(baton.job(on_lost="FAIL"))
    until(lambda: not baton.workers[0].is_running, 20, "the first executor to die")
    baton.start(workers=1, BATON_FAILPOINTS="spool.replayed=kill")
    until(lambda: not baton.workers[1].is_running, 20, "the second executor to die")

    baton.start(workers=1)
    until(lambda: baton.outcomes() == ["succeeded"], 30, "the result of the first")

    assert len(baton.ledger.spans()) == 1
    until(lambda: len(list((baton.folder / "spool").iterdir())) == 1, 20, "the old folders to go")
