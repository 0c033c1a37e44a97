"""`baton check`, as a probe calls it."""

from __future__ import annotations

import json
import socket

import pytest

from baton.broker.tally import Tally
from baton.loop import Loop
from baton.vocabulary import Role
from cli import check
from cli.__main__ import main
from tests import factories
from tests.waiting import until

WHERE_EXECUTORS_ARE = {"app_name": "demo"}


@pytest.fixture
def environ(monkeypatch, sqlite_url, redis_url, tmp_path):
    for name, value in {
        "DATABASE_URL": sqlite_url, "REDIS_URL": redis_url, "BATON_ENV": "development",
        "BATON_STATE_DIR": str(tmp_path / "state"), "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
        "BATON_GROUP": "demo",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def speak(redis_client):
    """A process of a role says its word."""

    def say(role: Role, process_id: str = "", **options) -> Tally:
        where = WHERE_EXECUTORS_ARE if role is Role.EXECUTOR else {}
        tally = Tally(redis_client, role, process_id or f"a-{role}", interval_s=1, **where, **options)
        tally.speak()
        return tally

    return say


def said(capsys) -> dict[str, str]:
    lines = json.loads(capsys.readouterr().out)
    return {f"{line['verdict']} {line['subject']}": line["text"] for line in lines}


def test_an_installation_of_all_roles_is_alive(environ, capsys, speak):
    for role in Role:
        speak(role)

    assert main(["check", "--json"]) == 0

    found = said(capsys)
    assert set(found) == {"good settings", "good database", *(f"good {role}" for role in Role)}
    assert found["good scheduler"].startswith("1 alive")


@pytest.mark.parametrize("missing", Role)
def test_a_role_that_nobody_fills_is_bad(environ, capsys, speak, missing):
    for role in set(Role) - {missing}:
        speak(role)

    assert main(["check", "--json"]) == 1

    found = said(capsys)
    assert [name for name in found if name.startswith("bad")] == [f"bad {missing}"]
    assert "of the Procfile" in found[f"bad {missing}"]


def test_a_probe_of_one_role_looks_at_that_role_only(environ, capsys, speak):
    speak(Role.CALLBACKS)
    # executors, and the others here, are asked about without a database
    environ.delenv("DATABASE_URL")

    assert main(["check", "--role", "callbacks", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["check", "--role", "executor"]) == 1
    assert "start the line `worker`" in capsys.readouterr().out
    speak(Role.EXECUTOR)
    assert main(["check", "--role", "executor"]) == 0


def test_a_process_elsewhere_does_not_count_here(environ, monkeypatch, speak):
    speak(Role.WEB)
    assert main(["check", "--role", "web", "--here"]) == 0

    monkeypatch.setattr(socket, "gethostname", lambda: "another-machine")

    assert main(["check", "--role", "web", "--here"]) == 1
    assert main(["check", "--role", "web"]) == 0


def test_a_process_that_fell_silent_is_dead_and_one_that_left_is_forgotten(environ, capsys, speak):
    environ.setenv("BATON_BEAT_INTERVAL_S", "0.1")
    environ.setenv("BATON_EXECUTOR_DEAD_AFTER_S", "0.5")
    speak(Role.SCHEDULER, "killed")
    speak(Role.SCHEDULER, "stopped").leave()
    assert main(["check", "--role", "scheduler", "--json"]) == 0
    assert said(capsys)["good scheduler"].startswith("1 alive")

    until(lambda: main(["check", "--role", "scheduler"]) == 1, 10, "the silence to be long enough")

    capsys.readouterr()
    main(["check", "--role", "scheduler", "--json"])
    assert [name for name in said(capsys) if name.startswith("warning")] == ["warning scheduler killed"]


def test_a_loop_that_comes_to_no_end_is_bad_although_its_process_speaks(environ, capsys, speak, monkeypatch):
    monkeypatch.setattr(check, "STUCK_AFTER_S", 0.05)
    # it was not started: no step of it ends
    planner = Loop("planner", lambda: 1.0)
    until(lambda: planner.overdue_s() > check.STUCK_AFTER_S)
    speak(Role.SCHEDULER, "stuck", loops=[planner])

    assert main(["check", "--role", "scheduler", "--json"]) == 1

    assert "loop 'planner'" in said(capsys)["bad scheduler stuck"]


def test_stores_that_do_not_answer_are_bad_within_seconds(environ, capsys):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        environ.setenv("REDIS_URL", f"redis://127.0.0.1:{silent.getsockname()[1]}")
        environ.setattr(check, "ANSWERS_WITHIN_S", 0.2)
        assert main(["check", "--json"]) == 1
    assert said(capsys)["bad processes"].startswith("no answer within 0.2 s")

    environ.setenv("REDIS_URL", "redis://127.0.0.1:1")
    environ.setattr(check, "ANSWERS_WITHIN_S", 5.0)
    assert main(["check", "--json"]) == 1
    assert "check REDIS_URL" in said(capsys)["bad redis"]


def test_a_database_that_was_never_migrated_is_bad(environ, capsys, tmp_path):
    environ.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")

    assert main(["check", "--json"]) == 1

    assert "`baton migrate` makes it" in said(capsys)["bad database"]


def test_the_settings_alone_are_looked_at_without_a_connection(environ, capsys):
    environ.setenv("REDIS_URL", "redis://127.0.0.1:1")
    environ.setenv("BATON_CONCURENCY", "4")
    assert main(["check", "--settings", "--json"]) == 0
    assert "did you mean BATON_CONCURRENCY" in said(capsys)["warning settings"]

    environ.setenv("BATON_CONCURRENCY", "many")
    environ.setenv("PORT", "x")
    assert main(["check", "--settings"]) == 78
    problems = capsys.readouterr().out
    assert "BATON_CONCURRENCY is 'many'" in problems
    assert "PORT is 'x'" in problems
