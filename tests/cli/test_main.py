"""`baton <command>`: what it says and how it exits."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys

import pytest
from sqlalchemy import select

import config
from baton.store.engine import make_engine, read, write
from baton.store.models import AuditEvent
from cli.__main__ import COMMANDS, main, parser_of
from tests import factories
from tests.processes import ROOT

ENVIRON = {
    "PATH": os.environ["PATH"],
    "REDIS_URL": "redis://localhost:1/0",
    "DATABASE_URL": "sqlite:////nonexistent/baton.db",
    "BATON_ACCESS_TOKEN": "0123456789abcdef0123456789abcdef",
    "BATON_STATE_DIR": "/nonexistent",
}


def baton(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT, env={**ENVIRON, **environ}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_names_every_command(arguments):
    said = baton(*arguments)

    assert said.returncode == 0
    for name, meaning in COMMANDS.items():
        assert f"{name}" in said.stdout
        assert meaning in said.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: baton {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_in_a_help_can_be_typed(name):
    parser = parser_of(name)
    for each in (parser, *parser.actions.values()):
        for example in each.examples:
            words = shlex.split(example.partition(" < ")[0])
            parser_of(name).read(words[words.index("baton") + 2 :])
            assert f"baton {name}" in example


def test_a_command_that_does_not_exist_names_the_nearest():
    said = baton("rum")

    assert said.returncode == 2
    assert "did you mean 'run'?" in said.stderr
    assert "`baton --help`" in said.stderr


@pytest.mark.parametrize("words", [("help", "jobs", "trigger"), ("--help", "jobs", "trigger")])
def test_help_goes_down_to_the_action(words, capsys):
    assert main(words) == 0

    assert "usage: baton jobs trigger" in capsys.readouterr().out


MISTAKES = [
    (["runs", "clean", "--keep", "0"], "argument --keep: '0' is not a whole number from 1 on"),
    (["runs", "log", "x"], "argument RUN: 'x' is not a whole number from 1 on"),
    (["jobs", "trigger", "1", "--wait", "-3"], "argument --wait: '-3' is not a number of seconds"),
    (["jobs", "trigger", "1", "--wait", "nan"], "argument --wait: 'nan' is not a number of seconds"),
    (["jobs", "lst"], "invalid choice: 'lst' (choose from 'list', "),
    (["failed-callbacks", "discard", "1"], "--reason"),
    (["runs", "list", "--lim", "3"], "unrecognized arguments: --lim 3"),
]


@pytest.mark.parametrize(("words", "error"), MISTAKES)
def test_what_is_no_command_names_the_way_to_the_help(words, error, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)

    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert error in said.err
    assert "--help` says more" in said.err


def test_options_come_after_the_command(capsys):
    assert main(["--json", "jobs"]) == 2

    assert "--json stands before any command" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(word):
    import baton as package

    assert baton(word).stdout == f"baton {package.__version__}\n"


@pytest.fixture
def nothing_yet(monkeypatch, tmp_path):
    """A folder in which `baton run` has never been."""
    for name in ("REDIS_URL", "DATABASE_URL", "BATON_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BATON_STATE_DIR", str(tmp_path / "state"))
    return monkeypatch


def test_without_an_installation_a_command_says_how_to_make_one(nothing_yet, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["jobs"])

    assert ended.value.code == config.EXIT_CONFIG
    assert "DATABASE_URL is not set" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_not_made_by_looking(nothing_yet, capsys, tmp_path):
    nothing_yet.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/baton.db")

    assert main(["jobs"]) == 1

    assert "`baton run` or `baton migrate` makes it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_named_with_the_way_out(nothing_yet, capsys, tmp_path):
    (tmp_path / "baton.db").touch()
    nothing_yet.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/baton.db")

    assert main(["jobs"]) == 1

    error = capsys.readouterr().err
    assert error.startswith("baton: the database lacks 0001")
    assert error.endswith("run `baton migrate`\n")


def test_a_database_that_is_away_is_named(nothing_yet, capsys):
    nothing_yet.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/baton")

    assert main(["jobs"]) == 1

    error = capsys.readouterr().err
    assert "check DATABASE_URL" in error
    assert len(error.splitlines()) == 1


def test_what_needs_no_redis_works_without_one(nothing_yet, capsys, sqlite_url):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)

    assert main(["jobs", "--json"]) == 0
    assert main(["runs", "--json"]) == 0
    assert main(["user", "--json"]) == 0
    assert main(["executors", "--json"]) == 0  # there is no group to ask for
    assert capsys.readouterr().out == "[]\n" * 4


def test_a_redis_that_is_away_is_named(nothing_yet, capsys, sqlite_url):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        factories.executor_group(connection)
    engine.dispose()

    assert main(["executors"]) == 1
    assert "start `baton run`, or set REDIS_URL" in capsys.readouterr().err

    nothing_yet.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert main(["executors"]) == 1
    assert "check REDIS_URL" in capsys.readouterr().err


def test_what_is_done_without_redis_says_that_it_takes_effect_later(nothing_yet, capsys, sqlite_url):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)
    nothing_yet.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    nothing_yet.setenv("BATON_CONCURENCY", "3")
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        factories.job(connection, factories.executor_group(connection), name="nightly")
    engine.dispose()

    assert main(["jobs", "stop", "nightly", "--json"]) == 0

    said = capsys.readouterr()
    assert json.loads(said.out)["status"] == "stopped"
    misspelled, away = said.err.splitlines()
    assert misspelled.startswith("baton: BATON_CONCURENCY is not a setting")
    assert away == "baton: Redis does not answer; schedulers find this by themselves when it does"


def test_who_changed_something_is_written_down(nothing_yet, capsys, sqlite_url, tmp_path):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)
    (tmp_path / "jobs.yaml").write_text("jobs:\n  prices:\n    handler: work\n    every: 300\n")
    (tmp_path / "crontab").write_text("0 0 * * * tidy\n")

    for words in (
        ["token", "create", "ci"], ["token", "revoke", "1"], ["jobs", "stop", "prices", "--note", "x"],
        ["apply", "--no-code", "--file", str(tmp_path / "jobs.yaml")],
        ["import", "crontab", str(tmp_path / "crontab"), "--apply"],
        ["jobs", "stop", "prices"], ["backfill", "prices", "--from", "2026-01-01", "--to", "2026-01-02"],
    ):  # fmt: skip
        main(words)

    engine = make_engine(sqlite_url)
    with read(engine) as connection:
        noted = connection.execute(
            select(AuditEvent.action, AuditEvent.user_name).order_by(AuditEvent.id)
        ).all()
    engine.dispose()
    assert [action for action, _ in noted] == [
        "api_token.create", "api_token.revoke", "jobs.apply", "jobs.import", "job.stop", "job.backfill",
    ]  # fmt: skip
    assert all(name.endswith("(command line)") for _, name in noted)


def test_a_password_needs_a_terminal_or_standard_input(nothing_yet, capsys, sqlite_url, monkeypatch):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert main(["user", "create", "mira"]) == 1

    assert "--password-stdin" in capsys.readouterr().err


def test_text_from_outside_cannot_steer_the_terminal(nothing_yet, capsys, sqlite_url):
    nothing_yet.setenv("DATABASE_URL", sqlite_url)
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        factories.job(connection, group_id, name="red \x1b[31m")
    engine.dispose()

    for words in (["jobs"], ["jobs", "show", "1"], ["jobs", "stop", "1"], ["jobs", "trigger", "1"]):
        assert main(words) == 0
        assert "red \\x1b[31m" in (said := capsys.readouterr().out)
        assert "\x1b" not in said


def test_help_is_quick_because_commands_are_imported_when_called():
    script = "import sys; from cli.__main__ import main; main(['--help']); print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()

    assert not {"sqlalchemy", "flask", "redis", "alembic"} & set(loaded)
