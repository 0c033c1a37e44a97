"""Minutes of kills and outages under load: `make chaos`. Each prints its numbers.

The same in seconds, for every run of the tests: `tests/relay/test_storms.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from email.message import Message

import pytest

from tests.background.sinks import mail_server, webhook
from tests.relay.storms import (
    STEADY,
    ConsumerKiller,
    Doubler,
    Family,
    Finishes,
    Killer,
    Load,
    Looker,
    alarms_raised,
    jobs_of_every_kind,
    report,
    sqlite_locked,
    tell_of_failures,
    trigger_family,
    wait_out,
    what_followed,
    while_,
)
from tests.waiting import until

OUTAGE_S = 60.0
DRAINED_WITHIN_S = 60.0
DOUBLED = 0.05


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_ten_thousand_results_with_a_consumer_killed_every_second(whole_baton, database):
    baton = whole_baton(database=database, callbacks=2, workers=2, **STEADY)
    finishes, doubler, killer = Finishes(baton.engine), Doubler(baton, 0.08, seed=2), ConsumerKiller(baton)
    family = Family(parents=3_000, failing=1_000, plain=2_000)
    with mail_server() as mails, webhook() as hooks:
        tell_of_failures(baton, mails.url, hooks.url)
        began_s = time.monotonic()
        with while_(doubler.step, 0), while_(killer.step, 1.0):
            trigger_family(baton, family, jobs=20)
            baton.wait_until_ended(family.results, within_s=900)
        took_s = time.monotonic() - began_s
        sinks = (mails.received, hooks.received)
        until(lambda: min(map(len, sinks)) >= family.failing, 900, "everybody to be told")
        told_s = time.monotonic() - began_s
    mailed = Counter(line for mail in mails.received for line in run_lines(mail))
    hooked = Counter(str(told["run"]) for told in hooks.told)

    counts = finishes.counts()
    report(
        f"10,000 results on {database}",
        results=len(counts), sent_twice=doubler.sent, consumers_killed=killer.killed,
        seconds=round(took_s, 1), ended_more_than_once=sum(count > 1 for count in counts.values()),
        mails=len(mails.received), webhooks=len(hooks.received), told_after_s=round(told_s, 1),
    )  # fmt: skip
    assert family.results == 10_000
    assert doubler.sent >= DOUBLED * family.results
    assert killer.killed >= took_s / 3
    assert len(counts) == family.results
    assert set(counts.values()) == {1}
    assert what_followed(baton.engine) == {
        "MANUAL succeeded: 1 children, 0 retries": family.parents,
        "MANUAL succeeded: 0 children, 0 retries": family.plain,
        "MANUAL failed: 0 children, 1 retries": family.failing,
        "PARENT succeeded: 0 children, 0 retries": family.parents,
        "RETRY failed: 0 children, 0 retries": family.failing,
    }
    assert alarms_raised(baton.engine) == {"RETRY: told 1 times": family.failing}
    assert len(mailed) == len(hooked) == family.failing
    assert set(mailed.values()) == set(hooked.values()) == {1}, "each failure told once by each channel"
    verdict = baton.verdict()
    assert verdict.is_clean, str(verdict)


def run_lines(mail: Message) -> list[str]:
    """The line of a mail that names its run."""
    text = mail.get_payload(decode=True).decode()
    return [line for line in text.splitlines() if line.startswith("run ")]


@pytest.mark.parametrize(("redis", "database"), [("embedded", "sqlite"), ("installed", "postgresql")])
def test_redis_away_for_a_minute_under_load(whole_baton, redis, database):
    baton = whole_baton(redis=redis, database=database, workers=2, **STEADY)
    finishes, job_ids = Finishes(baton.engine), [baton.job() for _ in range(20)]
    load = Load(baton, job_ids, each=5, param="0.005")
    with while_(load.step, 0.2):
        baton.wait_for_start(after=500)
        baton.redis_server.kill()
        wait_out(OUTAGE_S)
        baton.restart_redis()
        back_s = time.monotonic()
        wait_out(10.0)  # the load goes on
    planned = len(load.keys)
    baton.wait_until_ended(planned, within_s=300)
    drained_s = time.monotonic() - back_s

    report(
        f"{redis} Redis away for {OUTAGE_S:g} s on {database}",
        runs=planned, drained_after_s=round(drained_s, 1), outcomes=set(baton.outcomes()),
    )  # fmt: skip
    assert set(baton.outcomes()) == {"succeeded"}
    assert set(finishes.counts().values()) == {1}
    verdict = baton.verdict(planned=load.keys, serial=job_ids, in_order=True)
    assert verdict.is_clean, str(verdict)
    assert drained_s < DRAINED_WITHIN_S


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_database_away_for_a_minute_under_load(whole_baton, request, tmp_path, database):
    """What was pushed goes on meanwhile; its results wait in the stream."""
    cluster = request.getfixturevalue("own_postgres") if database == "postgresql" else None
    url = cluster.url("own") if cluster else "sqlite"
    baton = whole_baton(database=url, workers=2, **STEADY)
    finishes, job_ids = Finishes(baton.engine), [baton.job() for _ in range(20)]
    load = Load(baton, job_ids, each=200, param="0.02")
    load.step()
    baton.wait_for_start(after=200)
    before = len(baton.ledger.spans())
    if cluster:
        cluster.kill()
        wait_out(OUTAGE_S)
        meanwhile = len(baton.ledger.spans()) - before
        cluster.start_again()
    else:
        with sqlite_locked(str(tmp_path / "baton.db")):
            wait_out(OUTAGE_S)
            meanwhile = len(baton.ledger.spans()) - before
    back_s = time.monotonic()
    load.step()
    baton.wait_until_ended(len(load.keys), within_s=300)
    drained_s = time.monotonic() - back_s

    report(
        f"{database} away for {OUTAGE_S:g} s",
        runs=len(load.keys), ran_meanwhile=meanwhile, drained_after_s=round(drained_s, 1),
        outcomes=set(baton.outcomes()),
    )  # fmt: skip
    assert meanwhile > 1_000, "executors need no database"
    assert set(baton.outcomes()) == {"succeeded"}
    assert set(finishes.counts().values()) == {1}
    verdict = baton.verdict(planned=load.keys, serial=job_ids, in_order=True)
    assert verdict.is_clean, str(verdict)
    assert drained_s < DRAINED_WITHIN_S


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_scanner_finds_nothing_while_everything_is_killed_again_and_again(whole_baton, database):
    baton = whole_baton(database=database, schedulers=2, workers=4, callbacks=2)
    baton.wait_for_workers(4)
    load = Load(baton, jobs_of_every_kind(baton), each=5, param="0.05")
    looker, killer = Looker(baton, grace_s=8.0), Killer(baton)
    with while_(looker.step, 0.1):
        with while_(load.step, 0.5):
            for kills in range(1, 61):
                killer.step()
                if kills % 20 == 0:
                    baton.redis_server.kill()
                    baton.restart_redis()
                looker.wait_for_looks(4)
        baton.wait_until_ended(len(load.keys), within_s=300)

    report(
        f"scanned while killed, on {database}",
        runs=len(baton.rows()), kills=killer.killed, looks=looker.looks, seen_once=looker.suspected,
    )  # fmt: skip
    assert looker.found == set()
    until(looker.sees_nothing, 60, "the last look to see nothing at all")
