"""Results that Redis could not take wait in the folder of their executor, and are applied once."""

from __future__ import annotations

import time

import pytest

from baton.broker.presence import executors
from tests.ledger import END
from tests.waiting import until

from .baton import APP_NAME

pytestmark = pytest.mark.slow


def start_worker(baton, name: str):
    """An executor with folders of its own, as on another machine."""
    folder = baton.folder / name
    baton.start(workers=1, BATON_SPOOL_DIR=str(folder / "spool"), BATON_LOG_DIR=str(folder / "logs"))
    return baton.workers[-1]


@pytest.mark.parametrize(("redis", "database"), [("embedded", "sqlite"), ("installed", "postgresql")])
def test_what_ended_while_redis_was_away_is_delivered_by_the_next_start(whole_baton, redis, database):
    baton = whole_baton(workers=0, redis=redis, database=database)
    worker = start_worker(baton, "one")
    job_id = baton.job(on_lost="RERUN")
    baton.trigger(job_id, 2, param="1")
    baton.wait_for_start()

    baton.redis_server.kill()
    until(lambda: END in {entry.what for entry in baton.ledger.entries()}, 20, "the handler to end")
    until(lambda: "settle.waiting" in worker.output, 20, "its result to wait")
    worker.kill()
    assert baton.outcomes() == [None, None]

    baton.restart_redis()
    start_worker(baton, "one")
    baton.wait_until_ended(2)

    assert baton.outcomes() == ["succeeded", "succeeded"]
    assert len(baton.ledger.spans()) == 2, "what had ended did not run again"
    assert baton.verdict(serial=[job_id]).is_clean


def test_a_result_found_on_another_machine_corrects_a_row_that_was_closed_as_lost(whole_baton):
    """Two executors share a group but no folder: nobody else can deliver what one of them left."""
    baton = whole_baton(workers=0)
    baton.start(
        workers=1,
        BATON_FAILPOINTS="settle.before=kill",
        BATON_SPOOL_DIR=str(baton.folder / "one" / "spool"),
        BATON_LOG_DIR=str(baton.folder / "one" / "logs"),
    )
    job_id = baton.job(on_lost="FAIL")
    baton.trigger(job_id)
    until(lambda: not baton.workers[0].is_running, 20, "the first executor to die")

    start_worker(baton, "two")
    until(lambda: baton.outcomes() == ["lost"], 20, "the row to be closed")
    baton.trigger(job_id)
    until(lambda: baton.outcomes() == ["lost", "succeeded"], 20, "the second executor to go on")
    start_worker(baton, "one")
    until(lambda: baton.outcomes() == ["succeeded", "succeeded"], 20, "the true result")

    assert len(executors(baton.redis, APP_NAME)) == 2
    assert len({row.executor_address for row in baton.facts()}) == 2
    assert [len(list((baton.folder / name / "logs").rglob("*.log"))) for name in ("one", "two")] == [1, 1]
    assert baton.verdict(serial=[job_id]).is_clean


def test_results_in_the_stream_survive_the_loss_of_everything_in_redis(whole_baton):
    """Their executor still has them, and hands them over before anything may run again."""
    baton = whole_baton(callbacks=0)
    job_id = baton.job(on_lost="RERUN")
    baton.trigger(job_id, 5)
    until(lambda: len(baton.ledger.spans()) == 5 and baton.ledger.spans()[-1].ended, 20, "five runs")
    until(lambda: unapplied(baton) == 5, 20, "their results")

    baton.redis.flushall()
    until(lambda: unapplied(baton) == 5, 20, "their results again")
    baton.start(callbacks=1)
    baton.wait_until_ended(5)

    assert baton.outcomes() == ["succeeded"] * 5
    assert len(baton.ledger.spans()) == 5, "what had ended did not run again"
    assert baton.verdict(serial=[job_id]).is_clean


def test_runs_whose_end_a_restarted_redis_forgot_do_not_run_again(whole_baton):
    """As after a power loss: the last second of the append-only file is gone, its leases are back."""
    baton = whole_baton(callbacks=0)
    job_id = baton.job(on_lost="RERUN")
    baton.trigger(job_id, param="1")
    baton.wait_for_start()
    until(lambda: baton.rows()[0].trigger_code == 200, 10, "the push to be marked")
    [file] = (baton.folder / "redis").glob("*.aof")
    whole_until = file.stat().st_size
    until(lambda: unapplied(baton) == 1, 20, "its result")

    baton.redis_server.kill()
    with file.open("r+b") as aof:
        aof.truncate(whole_until)
    baton.restart_redis()
    until(lambda: unapplied(baton) == 1, 20, "its result again")
    baton.start(callbacks=1)
    baton.wait_until_ended(1)

    assert baton.outcomes() == ["succeeded"]
    until(lambda: not baton.redis.hgetall(f"baton:{{{APP_NAME}}}:leases"), 20, "the lease to be given back")
    assert len(baton.ledger.spans()) == 1


def unapplied(baton) -> int:
    entries = baton.redis.xrange(f"baton:{{{APP_NAME}}}:results")
    return sum(len(fields) for _id, fields in entries)


def test_an_executor_that_is_stopped_while_redis_is_away_leaves_in_order_and_soon(whole_baton):
    baton = whole_baton(workers=0)
    worker = start_worker(baton, "one")
    job_id = baton.job(on_lost="RERUN")
    baton.trigger(job_id, 3, param="0.5")
    baton.wait_for_start()
    baton.redis_server.kill()
    until(lambda: END in {entry.what for entry in baton.ledger.entries()}, 20, "the handler to end")

    began_s = time.monotonic()
    worker.terminate()
    code = worker.wait(20)
    took_s = time.monotonic() - began_s

    assert code == 0, worker.output
    assert "process.stopped" in worker.output, worker.output
    assert "process.goodbye_failed" in worker.output
    assert "spool.left" in worker.output
    assert took_s < 8, "nobody can take anything: there is nothing to wait for"

    baton.restart_redis()
    start_worker(baton, "one")
    baton.wait_until_ended(3)
    assert baton.outcomes() == ["succeeded"] * 3
    assert len(baton.ledger.spans()) == 3, "what had ended did not run again"
