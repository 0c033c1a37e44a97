"""The processes of one machine: started together, restarted when they die, stopped in order."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from cli.crew import commands_of
from tests.processes import Processes, is_alive
from tests.waiting import until

CREW = """
import os, sys
from pathlib import Path
from cli.crew import Crew, commands_of
procfile = Path(sys.argv[1])
crew = Crew(
    commands_of(procfile), environ=os.environ, home=procfile.parent, stop_within_s=60, log_format=sys.argv[2]
)
sys.exit(crew.run(fatal_codes=[78]))
"""

MEMBER = """
import os, signal, sys, time
name, how = sys.argv[1:]
def gone(*_):
    print("leaves", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else gone)
signal.signal(signal.SIGINT, lambda *_: print("was interrupted", flush=True))
print("is process", os.getpid(), flush=True)
if how == "exits":
    sys.exit(3)
if how == "unusable":
    sys.exit(78)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def crew(tmp_path):
    """Starts a crew: `crew(web="stays", worker="stubborn")`."""
    processes = Processes(tmp_path, {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"})

    def start(*, log_format: str = "text", **members: str):
        (tmp_path / "member.py").write_text(MEMBER)
        lines = [f"{name}: {sys.executable} member.py {name} {how}" for name, how in members.items()]
        (tmp_path / "Procfile").write_text("\n".join([*lines, "release: false"]))
        return processes.start("crew", [sys.executable, "-c", CREW, str(tmp_path / "Procfile"), log_format])

    yield start
    processes.clean_up()


def pid_of(process, name: str) -> int:
    """The newest process id that this member printed."""

    def printed() -> int:
        lines = [line for line in process.output.splitlines() if f" {name} " in line and "is process" in line]
        return int(lines[-1].split()[-1]) if lines else 0

    return until(printed, 20, f"{name} to start")


def test_everything_of_the_procfile_but_release_runs(crew, tmp_path):
    process = crew(web="stays", worker="stays")

    assert pid_of(process, "web") != pid_of(process, "worker")
    assert set(commands_of(tmp_path / "Procfile")) == {"web", "worker"}


def test_it_stops_along_the_journey_of_a_run(crew):
    process = crew(callbacks="stays", worker="stays", scheduler="stays", web="stays")
    for name in ("callbacks", "worker", "scheduler", "web"):
        pid_of(process, name)

    process.terminate()

    assert process.wait() == 0
    left = [line.split()[1] for line in process.output.splitlines() if line.endswith("leaves")]
    assert set(left[:2]) == {"web", "scheduler"}
    assert left[2:] == ["worker", "callbacks"]


def test_one_that_dies_is_started_again(crew):
    process = crew(web="stays", worker="stays")
    first = pid_of(process, "worker")

    os.kill(first, signal.SIGKILL)

    until(lambda: pid_of(process, "worker") != first, 10, "a new worker")
    assert "worker ended (signal SIGKILL); it starts again in 1 s" in process.output
    assert is_alive(pid_of(process, "web"))


def test_one_that_keeps_dying_waits_longer_each_time(crew):
    process = crew(web="stays", worker="exits")

    process.wait_for("worker ended (exit code 3); it starts again in 2 s")


def test_unusable_settings_stop_everything(crew):
    process = crew(web="stays", worker="unusable")

    assert process.wait() == 78
    assert "worker cannot work (exit code 78); everything stops" in process.output


def test_a_machine_reads_the_lines_as_they_are_and_our_own_as_objects(crew):
    process = crew(log_format="json", web="unusable")

    assert process.wait() == 78
    first, own, *rest = process.output.splitlines()
    assert first.startswith("is process ")
    assert json.loads(own)["event"] == "crew.said"
    assert json.loads(own)["message"] == "web cannot work (exit code 78); everything stops"
    assert all(json.loads(line)["role"] == "baton" for line in rest)


def test_a_second_interrupt_hurries(crew):
    process = crew(web="stays", worker="stubborn")
    worker = pid_of(process, "worker")

    process.signal(signal.SIGINT)
    process.wait_for("Ctrl-C again to hurry")
    process.wait_for("leaves")
    process.signal(signal.SIGINT)

    assert process.wait(20) == 0, "long before the minute that a stop may take"
    assert not is_alive(worker)
    assert "was interrupted" not in process.output, "the terminal's Ctrl-C must reach the crew only"


def test_nobody_outlives_a_crew_that_was_killed(crew):
    process = crew(web="stays", worker="stays")
    pids = [pid_of(process, "web"), pid_of(process, "worker")]

    process.kill()

    until(lambda: not any(map(is_alive, pids)), 10, "everyone to end")
