"""What lists show when there is more than they show."""

from __future__ import annotations

import json

import pytest

from baton.broker.client import connect
from baton.broker.keys import GroupKeys
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import make_engine, write
from cli import runs
from cli.__main__ import main
from tests import factories

MORE = "baton: the newest 2 are shown, there are more: --limit\n"


@pytest.fixture
def queued(monkeypatch, sqlite_url, one_redis_url, tmp_path):
    """Seven pushed runs of a job, of which an executor has the oldest; answers their ids, oldest first."""
    for name, value in {
        "DATABASE_URL": sqlite_url, "REDIS_URL": one_redis_url, "BATON_ENV": "development",
        "BATON_STATE_DIR": str(tmp_path / "state"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runs, "_PAGE", 3)
    now_ms = SYSTEM_CLOCK.now_ms()
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection, app_name="demo")
        job_id = factories.job(connection, group_id, name="a")
        for number in range(3):
            factories.job(connection, group_id, name=f"another {number}", description="a")
        pushed = {"trigger_time": now_ms, "trigger_code": 200, "pushed_at": now_ms}
        ids = [factories.log_row(connection, group_id, job_id, **pushed) for _ in range(7)]
    engine.dispose()
    with connect(one_redis_url) as redis:
        redis.hset(GroupKeys("demo").named("leases"), str(ids[0]), f"1|host-1-aa|1|{now_ms}|3")
    return ids


def listed(capsys, *words: str) -> list[int]:
    assert main(["runs", "list", "--json", *words]) == 0
    return [each["log_id"] for each in json.loads(capsys.readouterr().out)]


def test_the_run_that_runs_is_found_behind_all_that_wait(queued, capsys):
    assert listed(capsys, "--state", "running", "--limit", "1") == queued[:1]
    assert listed(capsys, "--state", "queued") == queued[:0:-1]
    assert listed(capsys, "--limit", "5") == queued[:1:-1]


def test_a_list_says_that_there_is_more(queued, capsys):
    for what in ("runs", "jobs"):
        assert main([what, "--limit", "2"]) == 0
        said = capsys.readouterr()
        assert (len(said.out.splitlines()), said.err) == (3, MORE)

    assert main(["runs", "--limit", "7"]) == 0
    assert capsys.readouterr().err == ""


def test_a_job_is_found_by_its_exact_name_among_those_that_only_have_it_in_their_text(queued, capsys):
    assert main(["jobs", "show", "a", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["name"] == "a"
