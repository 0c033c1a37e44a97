"""The page "Health": what the last scan found, and what can be done about it there."""

from __future__ import annotations

import threading

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from background import here
from background.here import Here
from baton.broker import chores, recovery
from baton.broker.client import connect
from baton.scanner.look import look
from baton.store.engine import read
from baton.store.findings import last_scan

from .site import Site, said

PAGE = "/findings"
READY = "baton:{demo}:ready"


def scan(site: Site, times: int = 2) -> None:
    for _ in range(times):
        look(site.engine, site.redis, by_whom="the background process", clock=site.clock)
        site.clock.advance(31)


@pytest.fixture
def group_id(site: Site) -> int:
    site.redis.flushall()
    recovery.open_group(site.redis, "demo")
    return site.group()


def test_it_says_when_nobody_has_looked_yet(site, group_id):
    assert "Nobody has looked yet." in said(site.person().get(PAGE))


def test_it_says_that_all_is_well_and_what_was_looked_at(site, group_id):
    scan(site)

    page = said(site.person().get(PAGE))

    assert "Everything fits together. All" in page
    assert "by the background process" in page
    assert "1 key." in page


def test_an_old_scan_is_no_news(site, group_id):
    scan(site)
    site.clock.advance(600)

    assert "The last scan is old." in said(site.person().get(PAGE))


def test_a_finding_is_shown_with_its_meaning_and_what_to_do(site, group_id):
    job_id = site.job(group_id)
    log_id = site.run(group_id, job_id, trigger_code=200, handle_code=500, handle_time=1, outcome="succeeded")
    scan(site)

    answer = site.person().get(PAGE)

    page = said(answer)
    assert "The outcome of a run contradicts its handle code 1" in page
    assert "Pages and reports count it differently." in page
    assert "What to do: Set both as the run log says" in page
    assert "outcome succeeded does not go with its handle code" in page
    assert f'href="/runs/{log_id}"' in answer.text
    assert f'href="/jobs/{job_id}"' in answer.text


def test_what_was_seen_once_is_counted_and_not_shown(site, group_id):
    site.redis.set("baton:{demo}:mystery", 1)
    scan(site, times=1)

    page = said(site.person().get(PAGE))

    assert "1 thing may be on its way" in page
    assert "mystery" not in page


def test_bytes_that_somebody_wrote_are_shown_as_text(site, group_id):
    site.redis.set("baton:{demo}:<script>", 1)
    scan(site)

    answer = site.person().get(PAGE)

    assert "<script>:" not in answer.text
    assert "baton:{demo}:&lt;script&gt;" in answer.text


def test_a_run_that_is_gone_has_no_link(site, group_id):
    site.redis.hset("baton:{demo}:cancels", "777", "killed|by nobody")
    scan(site)

    answer = site.person().get(PAGE)

    assert "A flag is left of a run that is over" in answer.text
    assert "/runs/777" not in answer.text


def test_a_repair_is_done_and_recorded(site, group_id):
    site.redis.zadd(READY, {"99": 1})
    scan(site)
    ana = site.person()
    assert "Repair" in said(ana.get(PAGE))

    ana.post(f"{PAGE}/repairs", {"check": "lane.ready_for_nothing"}, page=PAGE)

    assert site.redis.exists(READY) == 0
    assert site.audited()[-1] == "ana finding.repair lane.ready_for_nothing 99"
    assert "Repaired: 1." in said(ana.get(PAGE))


@pytest.mark.parametrize("check", ["key.unknown", "nonsense", ""])
def test_what_has_no_repair_is_not_repaired(site, group_id, check):
    assert site.person().post(f"{PAGE}/repairs", {"check": check}, page=PAGE).status_code == 404


def test_the_overview_leads_to_it(site, group_id):
    ana = site.person()
    assert "broken invariant" not in said(ana.get("/"))
    site.redis.set("baton:{demo}:mystery", 1)
    scan(site)

    assert "1 broken invariant : rows and keys do not fit together." in said(ana.get("/"))


def test_a_person_may_have_it_looked_now(plain_site):
    plain_site.redis.flushall()
    redis = connect(plain_site.redis_url, socket_timeout_s=None)
    here.install(Here(plain_site.engine, chores.queue(redis)))
    worker = SimpleWorker([chores.queue(redis)], connection=redis, serializer=JSONSerializer)
    asked = threading.Thread(target=lambda: plain_site.person().post("/scans", page=PAGE))
    asked.start()
    worker.work(max_jobs=1, logging_level="ERROR")
    asked.join()
    redis.close()

    with read(plain_site.engine) as connection:
        last = last_scan(connection)
    assert last is not None
    assert last.by_whom == "the background process"
