"""Kills and outages under load, in seconds; `make chaos` does the same with thousands and for minutes."""

from __future__ import annotations

import time

import pytest

from tests.postgres import Cluster
from tests.waiting import until

from .storms import (
    ConsumerKiller,
    Doubler,
    Family,
    Finishes,
    Load,
    Looker,
    alarms_raised,
    trigger_family,
    wait_out,
    what_followed,
    while_,
)

pytestmark = pytest.mark.slow

SHORT_S = 3.0


def test_each_row_is_ended_once_and_followed_once_whatever_kills_the_consumers(whole_baton):
    baton = whole_baton(callbacks=2, workers=1)
    finishes, doubler, killer = Finishes(baton.engine), Doubler(baton, 0.2, seed=1), ConsumerKiller(baton)
    family = Family(parents=400, failing=200, plain=200)
    with while_(doubler.step, 0), while_(killer.step, 1.0):
        trigger_family(baton, family, jobs=10)
        baton.wait_until_ended(family.results)

    assert killer.killed > 0
    assert doubler.sent > 0
    assert set(finishes.counts().values()) == {1}
    assert len(finishes.counts()) == family.results
    assert what_followed(baton.engine) == {
        "MANUAL succeeded: 1 children, 0 retries": 400,
        "MANUAL succeeded: 0 children, 0 retries": 200,
        "MANUAL failed: 0 children, 1 retries": 200,
        "PARENT succeeded: 0 children, 0 retries": 400,
        "RETRY failed: 0 children, 0 retries": 200,
    }
    assert alarms_raised(baton.engine) == {"RETRY: told 1 times": 200}, "a failure with a retry left is none"
    assert baton.verdict().doubled == ()
    until(Looker(baton, grace_s=0).sees_nothing, 30, "a scanner that sees nothing")


def test_redis_may_be_away_under_load(whole_baton):
    baton = whole_baton(BATON_EXECUTOR_DEAD_AFTER_S="12", BATON_BEAT_INTERVAL_S="1")
    finishes, job_ids = Finishes(baton.engine), [baton.job() for _ in range(5)]
    load = Load(baton, job_ids, each=2, param="0.01")
    with while_(load.step, 0.1):
        baton.wait_for_start(after=20)
        baton.redis_server.kill()
        wait_out(SHORT_S)
        baton.restart_redis()
        until(lambda: len(baton.ledger.spans()) > 200, 30, "the load to go on")
    baton.wait_until_ended(len(load.keys))

    assert set(baton.outcomes()) == {"succeeded"}
    assert set(finishes.counts().values()) == {1}
    verdict = baton.verdict(planned=load.keys, serial=job_ids, in_order=True)
    assert verdict.is_clean, str(verdict)
    until(Looker(baton, grace_s=0).sees_nothing, 30, "a scanner that sees nothing")


def test_the_database_may_be_away_under_load(whole_baton, own_postgres):
    cluster: Cluster = own_postgres
    baton = whole_baton(
        database=cluster.url("own"), BATON_EXECUTOR_DEAD_AFTER_S="12", BATON_BEAT_INTERVAL_S="1"
    )
    finishes, job_ids = Finishes(baton.engine), [baton.job() for _ in range(5)]
    load = Load(baton, job_ids, each=20, param="0.02")
    for _ in range(2):
        load.step()
    baton.wait_for_start(after=20)
    cluster.kill()
    wait_out(SHORT_S)
    away_s = time.monotonic()
    cluster.start_again()
    load.step()
    baton.wait_until_ended(len(load.keys))

    assert time.monotonic() - away_s < 60
    assert set(baton.outcomes()) == {"succeeded"}
    assert set(finishes.counts().values()) == {1}
    verdict = baton.verdict(planned=load.keys, serial=job_ids, in_order=True)
    assert verdict.is_clean, str(verdict)
    until(Looker(baton, grace_s=0).sees_nothing, 30, "a scanner that sees nothing")
