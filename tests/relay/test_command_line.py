"""`baton jobs`, `baton runs` and the like against a whole installation, in order of a person's morning."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import select

from baton.broker import presence
from baton.store.engine import write
from baton.store.models import Job
from tests import factories
from tests.processes import ROOT
from tests.waiting import until

from .baton import APP_NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(whole_baton):
    return whole_baton(BATON_HANDLERS="tests.relay.handlers,handlers.demo")


@pytest.fixture
def command(installation, tmp_path):
    """Run `baton …` beside the installation; answers what it printed and its exit code."""

    def call(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *map(str, arguments)], cwd=ROOT, text=True, input=given,
            capture_output=True, timeout=60,
            env={
                "PATH": os.environ["PATH"], "BATON_STATE_DIR": str(tmp_path / "state"),
                "BATON_ENV": "development",
                "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN, "REDIS_URL": installation.redis_server.url,
                "DATABASE_URL": installation.engine.url.render_as_string(hide_password=False),
                "BATON_GROUP": APP_NAME,
            },
        )  # fmt: skip

    return call


def test_jobs_are_listed_triggered_and_waited_for(installation, command):
    good = installation.job(name="nightly report")
    bad = installation.job("fail", name="broken")

    listed = command("jobs", "list")
    assert listed.stdout.splitlines()[0].split() == [
        "id",
        "name",
        "group",
        "schedule",
        "handler",
        "status",
        "next",
        "fire",
        "time",
    ]
    assert "nightly report" in listed.stdout, listed.stderr
    assert [job["id"] for job in json.loads(command("jobs", "list", "--json").stdout)] == [bad, good]
    assert json.loads(command("jobs", "show", "broken", "--json").stdout)["executor_handler"] == "fail"

    done = command("jobs", "trigger", "nightly report", "--param", "0.1", "--wait", "30")
    assert (done.returncode, done.stdout) == (0, "run 1 succeeded\n"), done.stderr
    failed = command("jobs", "trigger", bad, "--wait", "30", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["outcome"] == "failed"
    again = [json.loads(command("jobs", "trigger", good, "--key", "once", "--json").stdout) for _ in range(2)]
    assert [each["created"] for each in again] == [True, False]
    assert again[0]["log_id"] == again[1]["log_id"]


def test_runs_are_listed_their_logs_followed_and_killed(installation, command):
    job_id = installation.job("count-slowly", name="counter")
    log_id = json.loads(command("jobs", "trigger", job_id, "--param", "60", "--json").stdout)["log_id"]
    until(lambda: "second 2" in command("runs", "log", log_id).stdout, 30, "its second line")

    running = json.loads(command("runs", "list", "--state", "running", "--json").stdout)
    assert [(run["log_id"], run["state"]) for run in running] == [(log_id, "running")]
    killed = command("runs", "kill", log_id, "--reason", "enough")
    assert killed.stdout == f"run {log_id} is being stopped: its executor was told\n", killed.stderr

    followed = command("runs", "log", log_id, "--follow")
    assert followed.returncode == 1  # it did not succeed
    assert followed.stdout.count("second 1\n") == 1
    shown = json.loads(command("runs", "show", log_id, "--json").stdout)
    assert shown["outcome"] == "killed"
    assert shown["handle_msg"].startswith("enough (by ")
    assert "ended already (killed)" in command("runs", "kill", log_id).stderr


def test_an_executor_is_drained_and_resumed(installation, command):
    installation.wait_for_workers(1)
    [executor] = json.loads(command("executors", "--json").stdout)
    assert executor["group"] == APP_NAME

    assert command("executors", "drain", executor["executor_id"]).returncode == 0
    until(lambda: presence.executors(installation.redis, APP_NAME)[0].state == "draining", 10, "the drain")
    assert "draining" in command("executors").stdout
    assert command("executors", "resume", executor["executor_id"], "--json").returncode == 0
    until(lambda: presence.executors(installation.redis, APP_NAME)[0].state == "running", 10, "the end of it")


def test_people_are_made_and_deleted(command):
    made = command("user", "create", "mira", "--password-stdin", given="a few words in a row\n")
    assert made.returncode == 0, made.stderr
    assert "may sign in already" in command("user", "create", "mira", "--password-stdin").stderr
    assert "needs at least 8" in command("user", "create", "kim", "--password-stdin", given="short\n").stderr
    assert [each["name"] for each in json.loads(command("user", "list", "--json").stdout)] == ["mira"]
    assert command("user", "delete", "mira").returncode == 0
    assert command("user", "list").stdout == "nobody yet: `baton user create NAME`\n"


def test_old_runs_are_counted_and_then_deleted(installation, command):
    job_id, other = installation.job(name="chatty"), installation.job(name="other")
    with write(installation.engine) as connection:
        group_id = connection.execute(select(Job.group_id).where(Job.id == job_id)).scalar_one()
        for job in (job_id, job_id, job_id, other):
            ended = {"handle_code": 200, "handle_time": 2, "pushed_at": 1, "outcome": "succeeded"}
            factories.log_row(connection, group_id, job, trigger_time=1, **ended)

    early = command("runs", "clean", "--older-than", "30d", "--job", "chatty")
    assert early.stdout == "0 runs would be deleted; add --yes to delete\n"
    assert "reports have not counted all runs yet" in early.stderr
    with write(installation.engine) as connection:
        factories.reports_have_counted(connection)
    counted = command("runs", "clean", "--older-than", "30d", "--job", "chatty")
    assert counted.stdout == "3 runs would be deleted; add --yes to delete\n", counted.stderr
    done = command("runs", "clean", "--older-than", "30d", "--job", "chatty", "--yes", "--json")
    assert json.loads(done.stdout) == {"found": 3, "deleted": 3}, done.stderr
    assert command("runs", "clean", "--keep", "1", "--yes").stdout == "0 runs were deleted\n"
    assert [run["job_id"] for run in json.loads(command("runs", "list", "--json").stdout)] == [other]


PROBLEMS = [
    (["jobs", "show", "99"], "there is no job '99'; `baton jobs list` shows them"),
    (["jobs", "list", "--group", "nowhere"], "there is no executor group 'nowhere'; there are: relay"),
    (["jobs", "trigger", "same"], "2 jobs are called 'same': name one by its id"),
    (["jobs", "start", "1"], "job 1 has no schedule to follow: give it one, or trigger it"),
    (["runs", "show", "77"], "there is no run 77"),
    (["runs", "list", "--since", "yesterday"], "--since 'yesterday' is not a time: write 30m, 12h or 7d"),
    (["runs", "clean", "--keep", "0"], "--keep must be at least 1"),
    (["runs", "clean", "--older-than", "a while"], "--older-than 'a while' is not a time"),
    (["executors", "drain", "nobody"], "there is no executor 'nobody'"),
    (["failed-callbacks", "replay"], "name the ids to replay, or --all"),
    (["failed-callbacks", "replay", "5"], "no failed callback 5 is kept"),
]


def test_what_cannot_be_done_says_why(installation, command):
    for _ in range(2):
        installation.job(name="same")

    for arguments, error in PROBLEMS:
        done = command(*arguments)
        assert done.returncode == 1, arguments
        assert error in done.stderr
