"""`baton jobs`, `baton runs` and the like against a whole installation, in order of a person's morning."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from baton.broker import presence
from baton.broker.keys import GroupKeys
from baton.envelope import group_key, seal
from baton.store.engine import write
from baton.store.models import Job
from cli.__main__ import main
from tests import factories
from tests.processes import ROOT
from tests.waiting import until

from .baton import APP_NAME, QUICK, Baton

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(whole_baton):
    return whole_baton(BATON_HANDLERS="tests.relay.handlers,handlers.demo")


@pytest.fixture
def environ_beside(tmp_path):
    """The environment of a command beside an installation."""

    def of(installation: Baton) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "BATON_ENV": "development", "BATON_GROUP": APP_NAME,
            "BATON_STATE_DIR": str(tmp_path / "state"), "BATON_LOG_DIR": str(tmp_path / "logs"),
            "BATON_SPOOL_DIR": str(tmp_path / "spool"), "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
            "BATON_BEAT_INTERVAL_S": QUICK["BATON_BEAT_INTERVAL_S"],
            "REDIS_URL": installation.redis_server.url,
            "DATABASE_URL": installation.engine.url.render_as_string(hide_password=False),
        }  # fmt: skip

    return of


@pytest.fixture
def process(installation, environ_beside):
    """Run `baton …` beside the installation, as a process; answers what it printed and its exit code."""

    def call(*arguments: object, **how: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *map(str, arguments)], cwd=ROOT, text=True,
            timeout=60, env=environ_beside(installation), **({"capture_output": True} | how),
        )  # fmt: skip

    return call


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(installation, environ_beside, monkeypatch):
    """The same within this process, which costs a tenth of the time."""
    monkeypatch.chdir(ROOT)
    for name, value in environ_beside(installation).items():
        monkeypatch.setenv(name, value)

    def call(*arguments: object, given: str = "", **environ: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr("sys.stdin", io.StringIO(given))
            code = main([str(each) for each in arguments])
        return Answer(code, out.getvalue(), err.getvalue())

    return call


def test_jobs_are_listed_triggered_and_waited_for(installation, process):
    good = installation.job(name="nightly report")
    bad = installation.job("fail", name="broken")

    listed = process("jobs", "list")
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
    assert [job["id"] for job in json.loads(process("jobs", "list", "--json").stdout)] == [bad, good]
    assert json.loads(process("jobs", "show", "broken", "--json").stdout)["executor_handler"] == "fail"

    done = process("jobs", "trigger", "nightly report", "--param", "0.1", "--wait", "30")
    assert (done.returncode, done.stdout) == (0, "run 1 succeeded\n"), done.stderr
    failed = process("jobs", "trigger", bad, "--wait", "30", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["outcome"] == "failed"
    again = [json.loads(process("jobs", "trigger", good, "--key", "once", "--json").stdout) for _ in range(2)]
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


def test_the_end_of_a_log_is_printed_and_followed_by_programs(installation, command):
    job_id = installation.job("count-slowly", name="counter")
    log_id = json.loads(command("jobs", "trigger", job_id, "--param", "3", "--json").stdout)["log_id"]

    *pieces, end = map(json.loads, command("runs", "log", log_id, "--follow", "--json").stdout.splitlines())
    told = "".join(each["text"] for each in pieces)
    assert [told.count(f"second {n}\n") for n in (1, 2, 3)] == [1, 1, 1]
    assert end == {"log_id": log_id, "outcome": "succeeded", "problem": ""}

    whole = command("runs", "log", log_id).stdout
    assert whole == told
    assert command("runs", "log", log_id, "--tail", "2").stdout == "".join(whole.splitlines(True)[-2:])
    followed = command("runs", "log", log_id, "--tail", "1", "--follow")
    assert (followed.stdout, followed.stderr) == (whole.splitlines(True)[-1], f"run {log_id} succeeded\n")


def test_a_log_outlives_its_executor_in_the_archive(installation, command, tmp_path):
    archive = f"file://{tmp_path}/archive"
    for worker in installation.workers:
        worker.kill()
    installation.start(workers=1, BATON_LOG_ARCHIVE_URL=archive)
    archiving = installation.workers[-1]
    installation.job("count-slowly")
    planned = command("jobs", "trigger", 1, "--param", "0", "--wait", "30", "--json").stdout
    log_id = json.loads(planned)["log_id"]
    whole = command("runs", "log", log_id).stdout
    assert "job execute end" in whole
    archiving.terminate()
    archiving.wait()
    until(lambda: not presence.executors(installation.redis, APP_NAME), 20, "the executors to be gone")

    lost = command("runs", "log", log_id)
    assert (lost.returncode, lost.stdout) == (1, "")
    assert "gone" in lost.stderr
    assert "BATON_LOG_ARCHIVE_URL" in lost.stderr
    assert command("runs", "log", log_id, BATON_LOG_ARCHIVE_URL=archive).stdout == whole


def test_an_executor_is_shown_drained_and_resumed(installation, command):
    installation.wait_for_workers(1)
    [executor] = json.loads(command("executors", "--json").stdout)
    assert executor["group"] == APP_NAME

    show = ("executors", "show", executor["executor_id"])
    until(lambda: "count-slowly" in command(*show).stdout, 20, "its handlers, which its child names")
    assert json.loads(command(*show, "--json").stdout)["groups"] == [APP_NAME]

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


def test_a_result_that_could_not_be_applied_is_shown_and_replayed_or_discarded(installation, command):
    frame = seal(factories.callback_param(log_id=99), group_key(factories.ACCESS_TOKEN, "another"))
    for log_id in (98, 99):
        add = {f"settled:{log_id}": frame}
        installation.redis.xadd(GroupKeys(APP_NAME).named("results"), add)

    def kept() -> list[dict[str, object]]:
        return json.loads(command("failed-callbacks", "--json").stdout)

    newest, oldest = until(lambda: len(found := kept()) == 2 and found, 20, "both to be kept")
    assert "not signed for this group" in command("failed-callbacks", "show", oldest["id"]).stdout
    assert command("failed-callbacks", "replay", oldest["id"]).stdout.startswith("1 in their streams again")
    until(lambda: max(each["tries"] for each in kept()) > 1, 20, "the second try")
    gone = command("failed-callbacks", "discard", oldest["id"], newest["id"], "--reason", "a forgery")
    assert gone.stdout == "2 discarded\n", gone.stderr
    assert command("failed-callbacks").stdout == "none: every result could be applied\n"


def test_declared_jobs_are_planned_and_applied(installation, command, tmp_path):
    (tmp_path / "jobs.yaml").write_text("jobs:\n  prices:\n    handler: work\n    every: 300\n")
    where = ("--file", tmp_path / "jobs.yaml", "--no-code")

    planned = command("plan", *where)
    assert planned.returncode == 3, planned.stderr
    assert "+ file:prices: new" in planned.stdout
    assert command("jobs", "--json").stdout == "[]\n"
    assert command("apply", *where).returncode == 0
    assert command("plan", *where, "--json").returncode == 0
    [job] = json.loads(command("jobs", "--json").stdout)
    assert (job["name"], job["status"]) == ("prices", "running")


def test_the_doctor_sees_a_whole_installation(installation, command):
    installation.wait_for_workers(1)

    def said() -> set[str]:
        lines = json.loads(command("doctor", "--json").stdout)
        return {f"{line['verdict']} {line['subject']}" for line in lines}

    # the installations of these tests have no dashboard and no background process
    alive = {"good scheduler", "good callbacks", "good executors", "good lag planning", "bad web"}
    found = until(lambda: alive <= (found := said()) and found, 30, "everybody's first word")
    assert {name for name in found if name.startswith("bad")} == {"bad web", "bad background"}
    installation.workers[0].kill()
    until(lambda: "warning executors" in said(), 30, "the death of the executor to be noticed")


def test_what_nobody_reads_on_is_no_error(installation, process, command):
    job_id = installation.job()
    log_id = json.loads(command("jobs", "trigger", job_id, "--wait", "--json").stdout)["log_id"]
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write) as nobody:
        done = process("runs", "log", log_id, capture_output=False, stdout=nobody, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (141, "")


PROBLEMS = [
    (["jobs", "show", "99"], "there is no job '99'; `baton jobs list` shows them"),
    (["jobs", "list", "--group", "nowhere"], "there is no executor group 'nowhere'; there are: relay"),
    (["jobs", "trigger", "same"], "2 jobs are called 'same': name one by its id"),
    (["jobs", "start", "1"], "job 1 has no schedule to follow: give it one, or trigger it"),
    (["runs", "show", "77"], "there is no run 77"),
    (["runs", "list", "--since", "yesterday"], "--since 'yesterday' is not a time: write 30m, 12h or 7d"),
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
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert error in done.stderr
