"""Kill each process at its worst moment; the ledger is the judge: nothing lost, nothing doubled."""

from __future__ import annotations

import re
import signal

import pytest

from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("redis", "database"), [("embedded", "sqlite"), ("installed", "sqlite"), ("embedded", "postgresql")]
)
def test_triggers_travel_the_whole_path(whole_baton, redis, database):
    baton = whole_baton(redis=redis, database=database)
    job_id = baton.job()
    keys = baton.trigger(job_id, 30)

    baton.wait_until_ended(30)

    assert set(baton.outcomes()) == {"succeeded"}
    verdict = baton.verdict(planned=[(job_id, key) for key in keys], serial=[job_id], in_order=True)
    assert verdict.is_clean, str(verdict)


@pytest.mark.parametrize("failpoint", ["push.before", "push.done"])
def test_a_scheduler_killed_around_the_push(whole_baton, failpoint):
    baton = whole_baton(schedulers=0)
    baton.start(schedulers=1, BATON_FAILPOINTS=f"{failpoint}=kill")
    job_id = baton.job()
    keys = baton.trigger(job_id, 10)
    until(lambda: not baton.schedulers[0].is_running, 20, "the scheduler to die")

    baton.start(schedulers=1)
    baton.wait_until_ended(10)

    assert set(baton.outcomes()) == {"succeeded"}
    verdict = baton.verdict(planned=[(job_id, key) for key in keys], serial=[job_id])
    assert verdict.is_clean, str(verdict)


@pytest.mark.parametrize("failpoint", ["apply.before_commit", "apply.committed"])
def test_a_consumer_killed_around_its_commit(whole_baton, failpoint):
    baton = whole_baton(callbacks=0)
    baton.start(callbacks=1, BATON_FAILPOINTS=f"{failpoint}=kill")
    job_id = baton.job("fail-once", executor_fail_retry_count=1)
    baton.trigger(job_id, 1, param=str(baton.folder / "tried"))
    until(lambda: not baton.callbacks[0].is_running, 20, "the consumer to die")

    baton.start(callbacks=1)
    baton.wait_until_ended(2)

    assert baton.outcomes() == ["failed", "succeeded"], "one retry, however often the result was read"


@pytest.mark.parametrize("failpoint", ["run.ended", "journal.written"])
def test_a_child_killed_after_its_handler(whole_baton, failpoint):
    baton = whole_baton(workers=0)
    baton.start(workers=1, BATON_FAILPOINTS=f"{failpoint}=kill")
    baton.trigger(baton.job(), 1)

    baton.wait_until_ended(1)

    expected = {"run.ended": "failed", "journal.written": "succeeded"}
    assert baton.outcomes() == [expected[failpoint]]
    assert baton.verdict().is_clean or failpoint == "run.ended"


def test_an_executor_killed_between_handler_and_settle(whole_baton):
    baton = whole_baton(workers=0)
    baton.start(workers=1, BATON_FAILPOINTS="settle.before=kill")
    job_id = baton.job()
    baton.trigger(job_id, 1)
    until(lambda: not baton.workers[0].is_running, 20, "the executor to die")

    baton.start(workers=1)
    baton.wait_until_ended(1)
    # the next executor delivers the result, also when the row was closed as lost before
    until(lambda: baton.outcomes() == ["succeeded"], 20, "the real result")
    assert len(baton.ledger.spans()) <= 1


@pytest.mark.parametrize(("on_lost", "outcomes"), [("FAIL", ["lost"]), ("RERUN", ["succeeded"])])
def test_an_executor_killed_mid_run(whole_baton, on_lost, outcomes):
    baton = whole_baton()
    job_id = baton.job(on_lost=on_lost)
    baton.trigger(job_id, 1, param="1.5")
    baton.wait_for_start()

    baton.start(workers=1)
    baton.workers[0].signal(signal.SIGKILL)

    baton.wait_until_ended(1)
    assert baton.outcomes() == outcomes
    assert baton.verdict(serial=[job_id]).overlapping == ()
    told = re.compile(
        r"executor lost: \S+ stopped beating while it ran this; it had it for [\d.]+ s, "
        r"its last beat was at least [\d.]+ s old, noticed by the watcher on \S+"
    )
    assert told.search(baton.facts()[0].handle_msg)


def test_redis_killed_and_started_again(whole_baton):
    baton = whole_baton()
    job_id = baton.job()
    baton.trigger(job_id, 40, param="0.02")
    baton.wait_for_start()
    baton.redis_server.kill()

    baton.restart_redis()
    baton.wait_until_ended(40)

    assert set(baton.outcomes()) == {"succeeded"}
    verdict = baton.verdict(serial=[job_id], in_order=True)
    assert verdict.is_clean, str(verdict)


def test_everything_in_redis_deleted_under_load(whole_baton):
    baton = whole_baton()
    job_ids = [baton.job() for _ in range(4)]
    for job_id in job_ids:
        baton.trigger(job_id, 15, param="0.05")
    baton.wait_for_start(after=8)
    baton.redis.flushall()

    baton.wait_until_ended(60)

    assert set(baton.outcomes()) == {"succeeded"}
    verdict = baton.verdict(serial=job_ids)
    assert verdict.overlapping == ()
    assert verdict.lost == ()


def test_serial_is_serial_with_four_executors(whole_baton):
    baton = whole_baton(workers=4)
    baton.wait_for_workers(4)
    job_id = baton.job()
    keys = baton.trigger(job_id, 200)

    baton.wait_until_ended(200)

    verdict = baton.verdict(planned=[(job_id, key) for key in keys], serial=[job_id], in_order=True)
    assert verdict.is_clean, str(verdict)


def test_two_schedulers_plan_each_fire_time_once(whole_baton):
    baton = whole_baton(schedulers=2)
    job_id = baton.job(schedule_type="FIX_RATE", schedule_conf="1", trigger_status=1, next_trigger_time=1)

    until(lambda: len(baton.rows()) >= 4, 30, "four fire times")
    baton.wait_until_ended(4)

    assert baton.verdict(serial=[job_id]).doubled == ()
