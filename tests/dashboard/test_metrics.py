"""What a scraper gets, and who is one."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine
from werkzeug.test import TestResponse

from baton import meters
from baton.broker import chores, recovery
from baton.broker.keys import INSTALLATION, GroupKeys
from baton.broker.results import Results
from baton.broker.tally import Tally
from baton.meters import SERIES, Counter
from baton.scanner.look import look
from baton.store import alarms
from baton.store.alarms import NewAlarm
from baton.store.engine import write
from baton.vocabulary import AlarmCondition, Outcome, Role
from dashboard.queries.gauges import GAUGES

from ..clocks import NOON_MS
from ..processes import ROOT
from .site import Site

TOKEN = "a-token-that-only-the-scraper-has"


@pytest.fixture(autouse=True)
def _nothing_counted():
    meters.take()


def scrape(site: Site, **options) -> TestResponse:
    return site.anonymous().open("/metrics", **options)


def values(response: TestResponse) -> dict[str, float]:
    """`name{label=value,…}` -> value, as Prometheus reads it."""
    assert response.status_code == 200, response.text
    return {
        sample.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}": sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_every_series_is_there_with_its_kind_and_meaning(plain_site):
    found = {family.name: family for family in text_string_to_metric_families(scrape(plain_site).text)}

    for series in SERIES:
        kind = "counter" if isinstance(series, Counter) else "histogram"
        family = found.pop(series.name.removesuffix("_total"))
        assert (family.type, family.documentation) == (kind, series.meaning)
    for gauge in GAUGES:
        family = found.pop(gauge.name)
        assert (family.type, family.documentation) == ("gauge", gauge.meaning)
    assert found == {}


def test_who_asks_for_openmetrics_gets_it(plain_site):
    plain_site.group()
    response = scrape(plain_site, headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert response.content_type.startswith("application/openmetrics-text")
    assert "baton_runs" in {family.name for family in read_openmetrics(response.text)}


def test_counters_begin_at_nought_and_are_what_processes_counted(plain_site):
    plain_site.group("demo")
    before = values(scrape(plain_site))
    assert [before[f"baton_runs_total{{group=demo,outcome={outcome}}}"] for outcome in Outcome] == [0] * len(
        Outcome
    )
    assert before["baton_runs_planned_total{}"] == 0
    for name in ("baton_alarm_deliveries_total{result=given_up}", "baton_callbacks_total{result=rejected}"):
        assert before[name] == 0

    meters.RUNS.add(3, "demo", Outcome.SUCCEEDED)
    for seconds in (0.02, 0.02, 7.0, 1e6):
        meters.RUN_SECONDS.observe(seconds, "demo")
    Tally(plain_site.redis, Role.CALLBACKS, "one", interval_s=1).speak()
    meters.RUNS.add(2, "demo", Outcome.SUCCEEDED)
    Tally(plain_site.redis, Role.EXECUTOR, "two", interval_s=1, app_name="demo").speak()

    found = values(scrape(plain_site))
    assert found["baton_runs_total{group=demo,outcome=succeeded}"] == 5
    at_most = {
        bound: found[f"baton_run_duration_seconds_bucket{{group=demo,le={bound}}}"]
        for bound in ("0.01", "0.05", "5", "15", "86400", "+Inf")
    }
    assert at_most == {"0.01": 0, "0.05": 2, "5": 2, "15": 3, "86400": 3, "+Inf": 4}
    assert found["baton_run_duration_seconds_count{group=demo}"] == 4
    assert found["baton_run_duration_seconds_sum{group=demo}"] == pytest.approx(1e6 + 7.04)


def test_what_an_alert_waits_for_is_there_before_it_happens(plain_site):
    page = (ROOT / "docs" / "observability.md").read_text("utf-8")
    asked = re.findall(r"increase\((baton_\w+)\{(\w+)=\"([^\"]+)\"", page)
    there = [
        (sample.name, label, value)
        for family in text_string_to_metric_families(scrape(plain_site).text)
        for sample in family.samples
        for label, value in sample.labels.items()
    ]

    assert asked
    assert [each for each in asked if each not in there] == []


def test_totals_of_another_version_disturb_nothing(plain_site):
    totals = GroupKeys(INSTALLATION).named("totals")
    fields = ("baton_runs_total|demo", "baton_gone_total|x", "baton_run_duration_seconds|demo|0.2")
    plain_site.redis.hset(totals, mapping=dict.fromkeys(fields, 4))

    found = values(scrape(plain_site))

    assert not [name for name in found if name.startswith(("baton_gone", "baton_runs_total"))]
    # a bound that this version does not have counts where it is still true: below the next longer one
    assert found["baton_run_duration_seconds_bucket{group=demo,le=0.1}"] == 0
    assert found["baton_run_duration_seconds_bucket{group=demo,le=0.5}"] == 4


def test_gauges_say_what_is_true_now(site):
    group_id = site.group("demo")
    job_id = site.job(group_id, trigger_status=1, next_trigger_time=NOON_MS - 4_000)
    site.run(group_id, job_id, trigger_time=NOON_MS - 20_000)
    for _ in range(2):
        site.run(group_id, job_id, trigger_code=200, trigger_time=NOON_MS - 30_000)
    site.executor("demo", "host-1-aa", slots=4, running=1, spool_bytes=9, spool_waiting=2, quarantined=1)
    site.executor("demo", "host-2-bb", slots=4, state="draining", spool_state="full")
    site.failed_callback(app_name="demo")
    Results(site.redis, site.blocking, "one").append("demo", {"settled:7": b"x"})
    chores.hand_over(chores.queue(site.redis), "background.alarms.forget", "work-1", 0)
    Tally(site.redis, Role.CALLBACKS, "one", interval_s=1).speak()
    with write(site.engine) as connection:
        alarms.raise_alarms(connection, [NewAlarm("a", AlarmCondition.NO_EXECUTOR, group_id)], NOON_MS)

    found = values(scrape(site))

    of_group = {
        "baton_pending_runs": 1, "baton_queue_depth": 2, "baton_oldest_waiting_seconds": 30,
        "baton_runs_in_progress": 0, "baton_results_stream_length": 1, "baton_results_stream_pending": 0,
        "baton_executor_slots": 8, "baton_executor_slots_used": 1, "baton_executor_slots_free": 3,
        "baton_spool_bytes": 9, "baton_spool_waiting": 2, "baton_spool_not_ok": 1,
        "baton_spool_quarantined": 1, "baton_failed_callbacks": 1,
    }  # fmt: skip
    assert {name: found[f"{name}{{group=demo}}"] for name in of_group} == of_group
    of_all = {
        "baton_planner_behind_seconds": 4, "baton_pending_oldest_seconds": 20,
        "baton_background_queue_depth": 1, "baton_background_failed": 0, "baton_alarm_deliveries_waiting": 0,
    }  # fmt: skip
    assert {name: found[f"{name}{{}}"] for name in of_all} == of_all
    assert found["baton_executors{group=demo,state=draining}"] == 1
    assert found["baton_processes{role=callbacks}"] == 1
    assert found["baton_processes{role=web}"] == 0
    assert found["baton_up{store=database}"] == found["baton_up{store=redis}"] == 1


def test_gauges_say_what_the_last_scan_found(plain_site):
    site = plain_site
    site.redis.flushall()
    recovery.open_group(site.redis, "demo")
    site.group("demo")
    assert "baton_scan_age_seconds{}" not in values(scrape(site)), "nobody has looked yet"
    site.redis.set("baton:{demo}:mystery", 1)
    for _ in range(2):
        look(site.engine, site.redis, by_whom="a test", clock=site.clock)
        site.clock.advance(31)

    found = values(scrape(site))

    assert found["baton_findings{group=demo}"] == 1
    assert found["baton_scan_age_seconds{}"] == 31


@pytest.mark.parametrize(
    ("redis_url", "database", "away"),
    [("redis://127.0.0.1:1", "there", "redis"), ("", "gone", "database")],
)
def test_what_one_store_says_is_there_while_the_other_is_away(
    make_site, one_redis_url, tmp_path, redis_url, database, away
):
    site = make_site()
    site.group("demo")
    if database == "gone":
        site.engine.dispose()
        site = Site(create_engine(f"sqlite:///{tmp_path}/no/such/folder.db"), one_redis_url)
    else:
        site = Site(site.engine, redis_url)
    found = values(scrape(site))
    site.close()

    assert found[f"baton_up{{store={away}}}"] == 0
    other = "database" if away == "redis" else "redis"
    assert found[f"baton_up{{store={other}}}"] == 1
    there = "baton_pending_runs{group=demo}" if other == "database" else "baton_processes{role=web}"
    assert found[there] == 0


def test_this_machine_may_ask_where_there_is_no_token_but_no_proxy_on_it(plain_site):
    assert scrape(plain_site).status_code == 200
    assert scrape(plain_site, environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
    for elsewhere in ("192.0.2.7", "10.0.0.1", "", "unix:"):
        refused = scrape(plain_site, environ_base={"REMOTE_ADDR": elsewhere})
        assert refused.status_code == 403, elsewhere
        assert "BATON_METRICS_TOKEN" in refused.text
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert scrape(plain_site, headers={header: "192.0.2.7"}).status_code == 403, header


def test_with_a_token_only_who_shows_it_may_ask(make_site):
    site = make_site(metrics_token=TOKEN)

    assert scrape(site).status_code == 401
    assert scrape(site, headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
    wrong = scrape(site, headers={"Authorization": "Bearer ü" + TOKEN})
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, "Bearer")
    good = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "192.0.2.7"}
    assert scrape(site, headers=good, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200
    assert site.person().open("/metrics").status_code == 401, "a session is no token"


def test_tokens_are_not_guessed_quickly(make_site):
    site = make_site(metrics_token=TOKEN)
    statuses = {scrape(site, headers={"Authorization": f"Bearer {n}"}).status_code for n in range(25)}

    assert statuses == {401, 429}


def test_answers_are_counted_by_page_and_class_of_status(plain_site):
    plain_site.anonymous().get("/healthz")
    plain_site.anonymous().get("/jobs/4711")
    plain_site.anonymous().get("/no-such-page")

    counted = {name: times for name, times in meters.take().items() if name.startswith("baton_http")}
    assert counted == {
        "baton_http_requests_total|health.healthz|2xx": 1,
        "baton_http_requests_total|jobs.show|3xx": 1,
        "baton_http_requests_total|none|4xx": 1,
    }
