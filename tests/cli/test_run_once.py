"""`baton run-once`: a handler on a machine that has nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.processes import ROOT
from tests.waiting import until

MODULE = "tests.cli.run_once_for_tests"
BARE = {"PATH": "/usr/bin:/bin", "BATON_STATE_DIR": "/nonexistent", "BATON_HANDLERS": MODULE}
"""No address of any server, no token."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", "run-once", *arguments]


def once(*arguments: str, text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, env={**BARE, **environ}, capture_output=True, text=True, input=text,
        timeout=60,
    )  # fmt: skip


def test_a_handler_gets_what_it_is_given_and_its_words_are_seen():
    ran = once("once-echo", "--param", "7", "--shard", "1/3", "--attempt", "2", "--time-left", "60")

    assert ran.returncode == 0
    assert ran.stdout == '{"param": "7", "limit": true}\n'
    for line in (
        "INFO [run_once_for_tests.py:15] shard 1 of 3, attempt 2",
        "WARNING [run_once_for_tests.py:16] from logging",
        "from a thread",
        "INFO [progress] 50% half",
    ):
        assert line in ran.stderr
    assert ran.stderr.endswith("succeeded\n")


def test_a_parameter_may_come_from_standard_input():
    assert once("once-class", "--param", "-", text="from a pipe").stdout == 'init\ndestroy\n"from a pipe"\n'


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("once-end", "-p", "succeed"), 0, "succeeded: as it was told"),
        (("once-end", "-p", "fail"), 1, "failed: as it was told"),
        (("once-raise",), 1, "RuntimeError: on purpose"),
        (("once-end", "-p", "time_out"), 124, "timed_out: as it was told"),
        (("once-ekho",), 2, "did you mean 'once-echo'?"),
        (("once-echo", "--shard", "3/3"), 2, "'3/3' is no shard: index/total, counted from 0, as 0/3"),
        (("once-echo", "--attempt", "0"), 2, "--attempt: '0' is not a whole number from 1 on"),
    ],
)
def test_the_exit_code_says_how_it_ended(arguments, code, said):
    ran = once(*arguments)

    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_a_module_that_cannot_be_imported_is_named_and_the_others_serve():
    ran = once("once-end", "-p", "succeed", "--handlers", f"{MODULE},no_such_module_here")

    assert ran.returncode == 0
    assert "no_such_module_here cannot be imported: ModuleNotFoundError" in ran.stderr


@pytest.fixture
def asleep() -> Iterator[object]:
    """Starts a handler and waits until it says that it sleeps."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, tmp_path) -> tuple[subprocess.Popen[str], object]:
        log = tmp_path / "said"
        with log.open("w") as file:
            process = subprocess.Popen(command(name), cwd=ROOT, env=BARE, stdout=file, stderr=file, text=True)
        started.append(process)
        until(lambda: "asleep" in log.read_text(), 20, "the handler to begin")
        return process, log

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["once-sleep", "once-sleep-async"])
def test_ctrl_c_cancels_as_a_kill_does(asleep, tmp_path, name):
    process, log = asleep(name, tmp_path)

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
    assert "tidy, cancelled is True" in log.read_text()
    assert log.read_text().endswith("killed\n")
    assert "Traceback" not in log.read_text()


def test_the_second_ctrl_c_ends_what_does_not_want_to(asleep, tmp_path):
    process, log = asleep("once-stubborn", tmp_path)
    process.send_signal(signal.SIGINT)
    until(lambda: "not yet" in log.read_text(), 10, "the handler to refuse")

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130
