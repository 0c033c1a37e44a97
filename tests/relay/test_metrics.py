"""A scrape of a whole installation says what was really done, also after processes were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from baton.broker import tally
from baton.store.engine import write
from baton.store.models import Job
from baton.vocabulary import Outcome, Role
from tests.processes import ROOT, free_port
from tests.waiting import until

from .baton import APP_NAME, Baton

pytestmark = pytest.mark.slow

Labels = frozenset[tuple[str, str]]


class Scraper:
    """What collects the metrics of one installation."""

    def __init__(self, baton: Baton, **environ: str) -> None:
        self.port = free_port()
        self.web = baton.processes.web(PORT=str(self.port), **environ)
        until(lambda: self.get("/healthz"), 20, f"the web process; it said: {self.web.output}")

    def get(self, path: str, **headers: str) -> str:
        with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=10) as answer:
            return answer.read().decode()

    def series(self, **headers: str) -> dict[tuple[str, Labels], float]:
        """Every value of one scrape, as Prometheus reads it."""
        families = text_string_to_metric_families(self.get("/metrics", **headers))
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One value; fails if it is not there."""
        return self.series()[name, frozenset(labels.items())]

    def runs(self, outcome: Outcome) -> float:
        return self.value("baton_runs_total", group=APP_NAME, outcome=outcome)


def test_n_runs_count_n_whatever_is_killed_and_started_again(whole_baton):
    baton = whole_baton(workers=2)
    scraper = Scraper(baton)
    assert {outcome: scraper.runs(outcome) for outcome in Outcome} == dict.fromkeys(Outcome, 0)

    baton.trigger(baton.job(), 30)
    baton.trigger(baton.job("fail"), 5)
    baton.wait_until_ended(35)
    until(lambda: (scraper.runs(Outcome.SUCCEEDED), scraper.runs(Outcome.FAILED)) == (30, 5), 10, "35 runs")
    for name in ("baton_run_duration_seconds_count", "baton_queue_wait_seconds_count"):
        assert scraper.value(name, group=APP_NAME) == 35
    until(lambda: scraper.value("baton_runs_claimed_total", group=APP_NAME) == 35, 10, "35 claims")
    assert scraper.value("baton_runs_pushed_total", group=APP_NAME, verdict="queued") == 35

    for process in (*baton.schedulers, *baton.workers, *baton.callbacks):
        process.kill()
    os.kill(scraper.web.descendants()[0], signal.SIGKILL)
    until(lambda: scraper.runs(Outcome.SUCCEEDED) == 30, 20, "a scrape by the next web process")
    until(lambda: scraper.value("baton_processes", role=Role.SCHEDULER) == 0, 20, "nobody to be heard")
    baton.start(schedulers=1, workers=1, callbacks=1)
    baton.trigger(baton.job(), 7)
    baton.wait_until_ended(42)

    until(lambda: scraper.runs(Outcome.SUCCEEDED) == 37, 10, "seven more")
    assert scraper.runs(Outcome.FAILED) == 5
    assert scraper.value("baton_run_duration_seconds_count", group=APP_NAME) == 42


def test_what_was_applied_is_counted_at_once_and_survives_a_kill(whole_baton):
    # nobody would say anything on its own for the length of this test
    baton = whole_baton(BATON_BEAT_INTERVAL_S="30", BATON_EXECUTOR_DEAD_AFTER_S="90")
    scraper = Scraper(baton)
    job_id = baton.job()
    for times in range(1, 4):
        baton.trigger(job_id)
        until(lambda: scraper.runs(Outcome.SUCCEEDED) == times, 20, f"{times} runs")  # noqa: B023
        baton.callbacks[-1].kill()
        assert scraper.runs(Outcome.SUCCEEDED) == times
        baton.start(callbacks=1)


def test_fire_times_are_counted_as_planned_and_timed_as_pushed(whole_baton):
    baton = whole_baton(schedulers=2)
    scraper = Scraper(baton)
    job_ids = [baton.job(schedule_type="FIX_RATE", schedule_conf="1", trigger_status=1) for _ in range(3)]
    for job_id in job_ids:
        baton.plan_from_now(job_id)
    until(lambda: len(baton.rows()) >= 9, 20, "three rounds of fire times")
    with write(baton.engine) as connection:
        connection.execute(update(Job).values(trigger_status=0))
    baton.wait_until_ended(9)

    # what a planner had in hand when its job was stopped is there by now, too
    def all_counted() -> bool:
        rows = len(baton.rows())
        series = scraper.series()
        planned = series["baton_runs_planned_total", frozenset()]
        timed = series["baton_schedule_lateness_seconds_count", frozenset({("group", APP_NAME)})]
        return (planned, timed, scraper.runs(Outcome.SUCCEEDED)) == (rows, rows, rows)

    until(all_counted, 10, "as many planned, pushed and succeeded as there are rows")


def test_every_web_process_counts_its_answers(whole_baton):
    baton = whole_baton(schedulers=0, workers=0, callbacks=0)
    scraper = Scraper(baton, WEB_CONCURRENCY="2")
    until(lambda: scraper.value("baton_processes", role=Role.WEB) == 2, 20, "both of them")

    def answered() -> float:
        return scraper.value("baton_http_requests_total", page="health.healthz", status="2xx")

    for _ in range(40):
        scraper.get("/healthz")

    until(lambda: answered() == 41, 10, "40 answers, and the one that said the web process is there")


def test_what_is_true_now_is_read_when_it_is_asked_for(whole_baton):
    baton = whole_baton(BATON_CONCURRENCY="2", BATON_ASYNC_CONCURRENCY="1", callbacks=0)
    scraper = Scraper(baton)
    baton.trigger(baton.job(), 3, param="600")
    baton.wait_for_start()

    def now(name: str, **labels: str) -> float:
        return scraper.value(name, group=APP_NAME, **labels)

    until(lambda: now("baton_executor_slots_used") == 1, 10, "the beat that says a slot is used")
    assert (now("baton_executor_slots"), now("baton_executor_slots_free")) == (3, 2)
    assert (now("baton_queue_depth"), now("baton_runs_in_progress"), now("baton_pending_runs")) == (2, 1, 0)
    assert 0 < now("baton_oldest_waiting_seconds") < 60
    assert now("baton_executors", state="running") == 1
    until(lambda: scraper.value("baton_processes", role=Role.EXECUTOR) == 1, 10, "the executor's tally")

    baton.trigger(baton.job("fail"), 2)
    until(lambda: now("baton_results_stream_length") >= 1, 20, "results that nobody applies")
    assert 0 < now("baton_results_stream_oldest_seconds") < 60
    assert scraper.value("baton_up", store="redis") == scraper.value("baton_up", store="database") == 1

    baton.redis_server.kill()
    assert scraper.value("baton_up", store="redis") == 0
    assert scraper.value("baton_up", store="database") == 1
    assert now("baton_pending_runs") == 0


def test_a_probe_sees_every_role_live_and_a_killed_one_missing(whole_baton):
    baton = whole_baton()
    scraper = Scraper(baton)
    background = baton.processes.background()

    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", "check", *arguments],
            cwd=ROOT, env=baton.processes.environ, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def heard() -> dict[str, float]:
        found = [*tally.heard(baton.redis), *tally.heard(baton.redis, APP_NAME)]
        return {each.info.role: each.age_s for each in found}

    until(lambda: heard().keys() == set(Role), 20, "every role to be heard")
    alive = check("-q")
    assert (alive.returncode, alive.stdout) == (0, "")

    baton.schedulers[0].kill()
    until(lambda: heard()[Role.SCHEDULER] > 2, 20, "its silence to be long enough")
    said = check("-q").stdout
    assert "bad      scheduler: none is alive" in said
    assert "warning  scheduler " in said
    assert "callbacks" not in said

    # who says goodbye is not missed as somebody who fell silent
    stopped = [background, scraper.web, baton.callbacks[0], baton.workers[0]]
    for process in stopped:
        process.terminate()
    for process in stopped:
        process.wait()
    said = check("-q").stdout
    assert [line.split(":")[0] for line in said.splitlines() if "none is alive" in line] == [
        f"bad      {role}" for role in Role
    ]
    assert said.count("its last word") == 1, "that of the killed one"


def test_a_scraper_from_elsewhere_needs_the_token(whole_baton):
    token = "a-token-that-only-the-scraper-has"
    scraper = Scraper(whole_baton(schedulers=0, workers=0, callbacks=0), BATON_METRICS_TOKEN=token)

    def status(**headers: str) -> int:
        try:
            scraper.get("/metrics", **headers)
        except HTTPError as refusal:
            return refusal.code
        return 200

    assert status() == 401
    assert status(Authorization=f"Bearer {token}x") == 401
    assert status(Authorization=f"Bearer {token}") == 200
