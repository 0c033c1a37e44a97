"""Routes and slots in a whole installation with several executors."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from baton.broker.presence import executors
from tests.waiting import until

from .baton import APP_NAME

pytestmark = pytest.mark.slow


def started(baton, workers: int, **options):
    """An installation whose executors are all known: routes choose among those."""
    baton = baton(workers=workers, **options)
    baton.wait_for_workers(workers)
    until(lambda: all(each.handlers for each in executors(baton.redis, APP_NAME)), 20, "their handlers")
    return baton, [each.executor_id for each in executors(baton.redis, APP_NAME)]


def test_routed_triggers_run_where_their_route_says(whole_baton):
    baton, ids = started(whole_baton, 3)
    expected = {"FIRST": {ids[0]: 6}, "LAST": {ids[2]: 6}, "ROUND": dict.fromkeys(ids, 2)}
    jobs = {route: baton.job(route_strategy=route) for route in expected}

    for job_id in jobs.values():
        baton.trigger(job_id, 6)
    baton.wait_until_ended(18)

    for route, job_id in jobs.items():
        rows = [row for row in baton.facts() if row.job_id == job_id]
        assert {row.outcome for row in rows} == {"succeeded"}
        assert Counter(row.executor_address for row in rows) == expected[route], route


def test_a_broadcast_is_a_row_for_each_living_executor(whole_baton):
    baton, ids = started(whole_baton, 3)
    job_id = baton.job(route_strategy="SHARDING_BROADCAST")

    baton.trigger(job_id)
    baton.wait_until_ended(3)

    rows = baton.facts()
    assert sorted((row.shard_index, row.shard_total) for row in rows) == [(0, 3), (1, 3), (2, 3)]
    assert sorted(row.executor_address for row in rows) == sorted(ids)
    assert {row.outcome for row in rows} == {"succeeded"}
    assert len({row.trigger_key for row in rows}) == 1


def test_a_scheduler_that_dies_after_it_spread_a_broadcast_leaves_each_shard_once(whole_baton):
    baton, ids = started(whole_baton, 2, schedulers=1)
    baton.schedulers[0].kill()
    baton.start(schedulers=1, BATON_FAILPOINTS="push.spread=kill")
    baton.trigger(baton.job(route_strategy="SHARDING_BROADCAST"))
    until(lambda: not baton.schedulers[1].is_running, 20, "the scheduler to die")

    baton.start(schedulers=1)
    baton.wait_until_ended(2)

    assert sorted(row.executor_address for row in baton.facts()) == sorted(ids)
    assert len(baton.ledger.spans()) == 2


def test_what_waits_for_an_executor_that_dies_runs_on_another_and_a_shard_fails(whole_baton):
    baton, ids = started(whole_baton, 2)
    by_id = {
        json.loads(line)["executor"]: worker for worker in baton.workers for line in _started_lines(worker)
    }
    routed = baton.job(route_strategy="FIRST", on_lost="FAIL")
    broadcast = baton.job(route_strategy="SHARDING_BROADCAST")
    baton.trigger(routed, param="600")
    baton.wait_for_start()
    baton.trigger(broadcast, param="1")
    until(lambda: len(baton.ledger.entries()) >= 3, 20, "both shards to start")
    baton.trigger(broadcast)
    baton.trigger(routed, 3)
    until(lambda: all(row.trigger_code == 200 for row in baton.facts()), 20, "all to be pushed")

    by_id[ids[0]].signal(signal.SIGKILL)
    baton.wait_until_ended(8, within_s=40)

    rows = baton.facts()
    waited = [row for row in rows if row.job_id == routed][1:]
    assert [(row.outcome, row.executor_address) for row in waited] == [("succeeded", ids[1])] * 3
    assert all("was gone before it began this" in row.handle_msg for row in waited)
    second = [row for row in rows if row.job_id == broadcast and row.trigger_key != rows[1].trigger_key]
    assert {row.executor_address: row.outcome for row in second} == {ids[0]: "lost", ids[1]: "succeeded"}


def _started_lines(worker):
    for line in worker.output.splitlines():
        if "process.started" in line:
            yield json.dumps({"executor": line.split("executor=")[1].split()[0]})


def test_a_tag_keeps_a_job_to_the_executors_that_carry_it(whole_baton):
    baton = whole_baton(workers=1)
    job_id = baton.job(executor_tag="gpu")
    baton.trigger(job_id, 3)
    until(lambda: all(row.trigger_code == 200 for row in baton.facts()), 20, "all to be pushed")
    assert baton.outcomes() == [None] * 3, "nobody carries it: they wait"

    baton.start(workers=1, BATON_TAGS="eu,gpu")
    baton.wait_until_ended(3)

    assert set(baton.outcomes()) == {"succeeded"}


def test_a_parallel_job_runs_up_to_its_limit_and_no_more(whole_baton):
    baton = whole_baton(workers=2)
    baton.wait_for_workers(2)
    job_id = baton.job(block_strategy="PARALLEL", max_concurrency=3)

    baton.trigger(job_id, 12, param="0.2")
    baton.wait_until_ended(12)

    assert set(baton.outcomes()) == {"succeeded"}
    moments = sorted(
        [(span.started, 1) for span in baton.ledger.spans()]
        + [(span.ended, -1) for span in baton.ledger.spans()]
    )
    running = highest = 0
    for _at, change in moments:
        running += change
        highest = max(highest, running)
    assert highest == 3


def test_a_route_without_an_executor_is_refused_with_the_reason(whole_baton):
    baton = whole_baton(workers=0)
    baton.trigger(baton.job(route_strategy="FIRST"))

    baton.wait_until_ended(1)

    (row,) = baton.facts()
    assert (row.outcome, row.trigger_code) == ("refused", 500)
    assert "address empty" in row.trigger_msg
