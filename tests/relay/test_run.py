"""`baton run`: one command starts everything on this machine, and one key stops everything."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from redis import Redis
from sqlalchemy import create_engine, select

from baton.broker.client import connect
from baton.broker.presence import executors
from baton.store.models import JobLog
from tests.conftest import REDIS_PROGRAMS, missing
from tests.processes import Process, Processes, free_port
from tests.waiting import until

pytestmark = pytest.mark.slow


class Machine:
    """A newcomer's machine: nothing is set but where to keep things."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.port = free_port()
        self.processes = Processes(
            folder,
            {
                **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
                "BATON_STATE_DIR": str(self.state),
                "PORT": str(self.port),
                "BATON_KILL_GRACE_S": "1",
                "BATON_DRAIN_GRACE_S": "1",
            },
        )

    def baton(self, *words: str) -> Process:
        return self.processes.start("-".join(["baton", *words]), [sys.executable, "-m", "cli", *words])

    def run(self) -> Process:
        """Start everything; back when it is there."""
        running = self.baton("run", "--no-reload")
        running.wait_for("Baton is running:", 40)
        return running

    def rows(self) -> dict[int, str | None]:
        """Log id -> outcome."""
        engine = create_engine(f"sqlite:///{self.state / 'baton.db'}")
        with engine.connect() as connection:
            rows = connection.execute(select(JobLog.id, JobLog.outcome)).all()
        engine.dispose()
        return dict(rows)

    def secrets(self) -> dict[str, str]:
        """The files that must not change, or nobody is signed in and no message is trusted."""
        return {name: (self.state / name).read_text("utf-8") for name in ("access_token", "secret_key")}

    def redis(self) -> Redis:
        return connect((self.state / "redis_url").read_text("utf-8").strip())


@pytest.fixture
def machine(tmp_path):
    if not any(find() for find in REDIS_PROGRAMS.values()):
        missing("any redis-server")
    machine = Machine(tmp_path)
    yield machine
    machine.processes.clean_up()


def test_one_command_starts_everything_and_whatever_ends_it_leaves_its_data_only(machine):
    running = machine.run()
    assert "Sign in once with:" in running.output
    with urlopen(f"http://127.0.0.1:{machine.port}/healthz") as answer:
        assert answer.status == 200
    assert len(running.descendants()) >= 6, "dashboard, scheduler, worker, its children, callbacks, Redis"
    add_a_worker_for_a_while(machine)
    until(lambda: "succeeded" in machine.rows().values(), 30, "a demo job to succeed")

    running.signal(signal.SIGINT)
    assert running.wait(30) == 0
    until(lambda: running.descendants() == [], 5, "everything to end")
    rows, secrets = machine.rows(), machine.secrets()

    again = machine.run()
    again.kill()
    until(lambda: again.descendants() == [], 10, "everything to end")

    ended = {log_id: outcome for log_id, outcome in rows.items() if outcome}
    assert {log_id: machine.rows()[log_id] for log_id in ended} == ended
    assert set(rows) <= set(machine.rows())
    assert machine.secrets() == secrets


def add_a_worker_for_a_while(machine):
    another = machine.baton("worker")
    with machine.redis() as redis:
        until(lambda: len(executors(redis, "demo")) == 2, 20, "a second executor")
        another.signal(signal.SIGINT)
        another.wait()
        until(lambda: len(executors(redis, "demo")) == 1, 10, "it to say goodbye")
