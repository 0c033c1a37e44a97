"""`baton doctor`, as a person calls it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

import config
from baton.broker import chores
from baton.broker.client import connect
from baton.broker.keys import GroupKeys
from baton.broker.presence import ExecutorInfo
from baton.broker.tally import Tally
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import make_engine, write
from baton.vocabulary import Role
from cli import lag
from cli.__main__ import main
from tests import factories


@pytest.fixture
def environ(monkeypatch, sqlite_url, one_redis_url, tmp_path):
    for name, value in {
        "DATABASE_URL": sqlite_url, "REDIS_URL": one_redis_url, "BATON_ENV": "development",
        "BATON_STATE_DIR": str(tmp_path / "state"), "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
        "BATON_HANDLERS": "handlers.demo", "BATON_GROUP": "demo",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def said(capsys) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in json.loads(capsys.readouterr().out):
        found.setdefault(f"{line['verdict']} {line['subject']}", []).append(line["text"])
    return found


@pytest.fixture
def beating(one_redis_url):
    """Executors that beat every tenth of a second, each by its own clock."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(executor_id: str, *, ahead_s: float = 0.0, beats: bool = True, **fields: object) -> None:
        def info() -> ExecutorInfo:
            now_ms = SYSTEM_CLOCK.now_ms() + round(ahead_s * 1000)
            usual = ExecutorInfo(executor_id, "host", 1, ("h",), 4, 0, 1, now_ms, "1", "running")
            return replace(usual, **fields)

        def beat() -> None:
            with connect(one_redis_url) as redis:
                while not stop.wait(0.1):
                    redis.hset(GroupKeys("demo").named("executors"), executor_id, info().to_bytes())

        with connect(one_redis_url) as redis:
            redis.hset(GroupKeys("demo").named("executors"), executor_id, info().to_bytes())
        if beats:
            threads.append(threading.Thread(target=beat))
            threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def test_a_fit_installation_has_a_line_for_everything_and_exit_code_0(environ, capsys):
    assert main(["doctor", "--json"]) == 0

    found = said(capsys)
    assert found["good settings"] == ["they can be used, development"]
    assert found["good database tables"] == ["those of this version"]
    for subject in ("redis eviction", "redis clock", "redis scripting", "log folder", "spool folder"):
        assert found[f"good {subject}"]
    for step in ("planning", "pushing", "results", "failed callbacks", "background"):
        assert found[f"good lag {step}"]
    assert found["warning executors"] == ["none in group 'demo': start a worker for it"]
    assert "report-disk" in found["good handlers"][0]
    assert not [name for name in found if name.startswith("bad")]


def test_people_get_a_line_each_and_may_ask_for_the_troubles_only(environ, capsys):
    assert main(["doctor", "--quiet"]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert "warning  executors: none in group 'demo': start a worker for it" in shown
    assert {line.split()[0] for line in shown} == {"warning"}


def test_each_executor_is_listened_to_for_a_beat(environ, capsys, beating):
    environ.setenv("BATON_BEAT_INTERVAL_S", "0.5")
    beating("right")
    beating("early", ahead_s=30)
    beating("still", beats=False)

    assert main(["doctor", "--json"]) == 1

    found = said(capsys)
    [together] = found["good executors"]
    assert together.startswith("2 in group 'demo', 8 runs at a time; the furthest clock is")
    assert "s ahead of this machine's" in found["warning executor early"][0]
    assert found["bad executor still"][0].startswith("it did not beat")


def test_what_executors_say_of_themselves_is_passed_on(environ, capsys, beating):
    environ.setenv("BATON_BEAT_INTERVAL_S", "0.5")
    beating("full", spool_state="full", spool_waiting=12, quarantined=2, problem="a trace\nValueError: no")
    beating("drained", state="draining")

    assert main(["doctor", "--json", "--quiet"]) == 1

    found = said(capsys)
    assert found["bad executor full"][0].startswith("its spool is full, 12 results wait")
    assert found["warning executor full"] == [
        "some of its handlers are not there: ValueError: no",
        "2 files of its spool cannot be delivered: look into its spool folder",
    ]
    assert "`baton executors resume`" in found["warning executor drained"][0]


def test_what_nobody_plans_pushes_runs_or_applies_is_bad(environ, capsys, sqlite_url, one_redis_url):
    long_ago_ms = SYSTEM_CLOCK.now_ms() - 90_000
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection, app_name="g")
        job_id = factories.job(connection, group_id, trigger_status=1, next_trigger_time=long_ago_ms)
        factories.log_row(connection, group_id, job_id, trigger_time=long_ago_ms)
    engine.dispose()
    with connect(one_redis_url) as redis:
        redis.xadd(GroupKeys("g").named("results"), {"settled:1": b"x"}, id=f"{long_ago_ms}-0")

    assert main(["doctor", "--json", "--quiet"]) == 1

    found = said(capsys)
    assert found["bad lag planning"] == [
        "a job has been due for 90 s and is not planned: does a scheduler run?"
    ]
    assert found["bad lag pushing"] == ["a run waits for 90 s to be pushed: does a scheduler run?"]
    assert found["bad lag running"] == [
        "runs wait in group 'g' (1), where no executor listens: start a worker for it"
    ]
    assert found["bad lag results"][0].endswith("the oldest for 90 s: does a callbacks process run?")


def test_a_run_that_nobody_claims_though_there_are_slots_is_told(
    environ, capsys, sqlite_url, one_redis_url, beating
):
    environ.setenv("BATON_BEAT_INTERVAL_S", "0.5")
    environ.setattr(lag, "_MOMENT_S", 0.05)
    beating("idle")
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        factories.executor_group(connection, app_name="demo")
    engine.dispose()
    with connect(one_redis_url) as redis:
        redis.zadd(GroupKeys("demo").named("ready"), {"7": 1.0})

    assert main(["doctor", "--json"]) == 0

    assert "though 4 slots of executors are free" in said(capsys)["warning lag claiming"][0]


def test_a_process_that_is_alive_is_told_and_those_that_are_missing(environ, capsys, one_redis_url):
    assert main(["doctor", "--json"]) == 0
    assert said(capsys)["warning processes"] == ["none runs: start `baton run`, or the lines of the Procfile"]
    with connect(one_redis_url) as redis:
        Tally(redis, Role.SCHEDULER, "a-scheduler", interval_s=1).speak()

    assert main(["doctor", "--json"]) == 1

    found = said(capsys)
    assert found["good scheduler"]
    assert found["bad callbacks"][0].startswith("none is alive")


def test_background_work_that_nobody_does_is_bad(environ, capsys, one_redis_url):
    with connect(one_redis_url) as redis:
        chores.hand_over(chores.queue(redis), "background.alarms.forget", "a-test")
        environ.setattr(lag, "_LONG_S", 0.0)

        assert main(["doctor", "--json", "--quiet"]) == 1

    assert "does a background process run?" in said(capsys)["bad lag background"][0]


def test_a_redis_that_is_gone_is_bad_and_the_rest_is_still_looked_at(environ, capsys):
    environ.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    assert main(["doctor", "--json"]) == 1

    found = said(capsys)
    assert "bad redis" in found
    assert found["good database tables"]
    assert found["good lag planning"]


def test_settings_that_cannot_be_used_are_lines_too(environ, capsys):
    environ.setenv("BATON_CONCURRENCY", "many")
    environ.delenv("BATON_ACCESS_TOKEN")

    assert main(["doctor", "--json"]) == config.EXIT_CONFIG

    problems = said(capsys)["bad settings"]
    assert [problem.split()[0] for problem in problems] == ["BATON_ACCESS_TOKEN", "BATON_CONCURRENCY"]


def test_what_only_development_may_do_is_found(environ, capsys):
    for name, value in {
        "BATON_ENV": "production", "BATON_RELOAD": "yes", "BATON_SECURE_COOKIES": "no",
    }.items():  # fmt: skip
        environ.setenv(name, value)

    assert main(["doctor", "--json"]) == 1

    found = said(capsys)
    assert [text.split()[0] for text in found["warning settings"]] == [
        "BATON_RELOAD", "BATON_SECURE_COOKIES=no",
    ]  # fmt: skip
    assert "appendonly yes" in found["bad redis persistence"][0]
