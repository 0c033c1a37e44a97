"""`baton scan`: for people, for programs, and with a repair."""

from __future__ import annotations

import json

import pytest

from baton.broker.client import connect
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import make_engine, write
from cli.__main__ import main
from tests import factories


@pytest.fixture
def redis(monkeypatch, sqlite_url, one_redis_url, tmp_path):
    """The Redis of an installation in which everything is well."""
    for name, value in {
        "DATABASE_URL": sqlite_url, "REDIS_URL": one_redis_url, "BATON_ENV": "development",
        "BATON_STATE_DIR": str(tmp_path / "state"), "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection, app_name="demo")
        factories.job(connection, group_id)
    engine.dispose()
    with connect(one_redis_url) as client:
        client.flushall()
        client.mset({"baton:{demo}:epoch": "1", "baton:{demo}:seq": "9"})
        yield client


def test_a_sound_installation_is_looked_at_once(redis, capsys):
    assert main(["scan"]) == 0

    said = capsys.readouterr()
    assert "all invariants hold" in said.out
    assert said.err == ""


def test_what_is_wrong_is_looked_at_twice_and_explained(redis, capsys):
    redis.zadd("baton:{demo}:ready", {"1": 1})

    assert main(["scan", "--wait", "0"]) == 1

    said = capsys.readouterr()
    assert "what looks wrong: 1" in said.err
    assert "lane.ready_for_nothing  demo" in said.out
    assert "A ready lane has nothing to give." in said.out
    assert "`baton scan --repair`" in said.out


def test_programs_get_the_facts(redis, capsys):
    before_ms = SYSTEM_CLOCK.now_ms()
    redis.zadd("baton:{demo}:ready", {"1": 1})

    assert main(["scan", "--wait", "0", "--json"]) == 1

    said = json.loads(capsys.readouterr().out)
    (finding,) = said["findings"]
    assert finding["check_name"] == "lane.ready_for_nothing"
    assert (finding["app_name"], finding["subject"], finding["sightings"]) == ("demo", "1", 2)
    assert finding["is_repairable"] is True
    assert finding["first_seen"] >= before_ms
    assert said["scan"]["by_whom"].endswith("(command line)")


def test_a_repair_is_seen_by_the_look_after_it(redis, capsys):
    redis.zadd("baton:{demo}:ready", {"1": 1})

    assert main(["scan", "--wait", "0", "--repair"]) == 0

    assert "1 repaired" in capsys.readouterr().out
    assert redis.exists("baton:{demo}:ready") == 0


def test_what_nobody_can_repair_stays_a_finding(redis, capsys):
    redis.set("baton:{demo}:mystery", "?")

    assert main(["scan", "--wait", "0", "--repair"]) == 1

    assert "key baton:{demo}:mystery" in capsys.readouterr().out
    assert redis.exists("baton:{demo}:mystery") == 1


def test_a_time_that_is_none_is_refused(redis, capsys):
    with pytest.raises(SystemExit):
        main(["scan", "--wait", "-1"])

    assert "'-1' is not a number of seconds" in capsys.readouterr().err


def test_leftovers_are_shown_and_are_no_failure(redis, capsys):
    redis.hset("baton:{demo}:cancels", "777", "killed|by nobody")

    assert main(["scan", "--wait", "0"]) == 0

    assert "flag.of_ended_run" in capsys.readouterr().out
