"""`baton doctor` and `baton check`, as a probe or a person calls them."""

from __future__ import annotations

import json

import pytest

from baton.broker.client import connect
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import make_engine, write
from cli.__main__ import main
from tests import factories


@pytest.fixture
def environ(monkeypatch, sqlite_url, redis_url, tmp_path):
    connect(redis_url).flushall()
    for name, value in {
        "DATABASE_URL": sqlite_url, "REDIS_URL": redis_url, "BATON_ENV": "development",
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


def test_a_fit_installation_has_a_line_for_everything_and_exit_code_0(environ, capsys):
    assert main(["doctor", "--json"]) == 0

    found = said(capsys)
    assert found["good database"] == ["sqlite, with this version's tables"]
    assert found["good lag"] == ["nothing waits for a scheduler, 0 results are on their way"]
    assert found["warning executors"] == ["none in group 'demo': start a worker for it"]
    assert "report-disk" in found["good handlers"][0]
    assert not [name for name in found if name.startswith("bad")]


def test_a_run_that_nobody_pushes_is_bad(environ, capsys, sqlite_url):
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        job_id = factories.job(connection, group_id)
        long_ago_ms = SYSTEM_CLOCK.now_ms() - 90_000
        factories.log_row(connection, group_id, job_id, trigger_time=long_ago_ms)
    engine.dispose()

    assert main(["doctor", "--json", "--quiet"]) == 1

    assert said(capsys)["bad lag"] == ["a run waits for 90 s to be pushed: does a scheduler run?"]


def test_a_redis_that_is_gone_is_bad_and_the_rest_is_still_looked_at(environ, capsys):
    environ.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    assert main(["doctor", "--json"]) == 1

    found = said(capsys)
    assert "bad redis" in found
    assert found["good database"]


def test_check_names_problems_and_strange_names(environ, capsys):
    environ.setenv("BATON_CONCURENCY", "4")
    assert main(["check", "--json"]) == 0
    assert "did you mean BATON_CONCURRENCY" in json.loads(capsys.readouterr().out)["warnings"][0]

    environ.setenv("BATON_CONCURRENCY", "many")
    assert main(["check", "--json"]) == 78
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith("BATON_CONCURRENCY is 'many'")
