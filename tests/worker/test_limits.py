"""Memory, CPU time, warnings, and children that are worn out."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.waiting import until
from worker.limits import Limits, Usage, verdict

from .leaks import leaked_by

MB = 1024 * 1024
BOTH = "tests.worker.handlers_for_tests,tests.worker.limited_for_tests"


@pytest.fixture
def start(world):
    def start_one(**environ: str):
        return world.start(**{"BATON_HANDLERS": BOTH, **environ})

    return start_one


@pytest.mark.parametrize("handler", ["balloon", "balloon-below"])
def test_a_run_that_takes_too_much_memory_fails_and_says_so(world, start, handler):
    start()
    neighbour = world.push("sleep", "1")

    ending = world.ending(world.push(handler), 30)

    assert (ending.outcome, ending.handle_code) == ("failed", 500)
    assert ending.handle_msg.startswith("memory limit: its processes use ")
    assert "of 150 MB (max_rss_mb)" in ending.handle_msg
    assert world.ending(neighbour).outcome == "succeeded"


def test_a_run_that_takes_too_much_cpu_time_fails_and_says_so(world, start):
    start()

    ending = world.ending(world.push("burn"), 30)

    assert ending.outcome == "failed"
    assert "of 0.5 s (max_cpu_s)" in ending.handle_msg


def test_the_executors_own_limit_holds_where_a_handler_has_none(world, start):
    start(BATON_MAX_CPU_S="0.3")

    script = "import time\nwhile True: pass"
    ending = world.ending(world.push("burn-below", script), 30)

    assert "job handler [burn-below] not found" in ending.handle_msg
    assert "of 0.5 s (max_cpu_s)" in world.ending(world.push("burn"), 30).handle_msg


@pytest.mark.parametrize("handler", ["warned", "warned-coroutine"])
def test_a_handler_is_warned_and_may_save_what_it_has(world, start, handler):
    start()

    ending = world.ending(world.push(handler))

    assert (ending.outcome, ending.result) == ("succeeded", '"saved"')


def test_a_warning_that_is_let_pass_fails_the_run_with_its_place(world, start):
    start()

    ending = world.ending(world.push("warned-in-vain"))

    assert ending.outcome == "failed"
    assert "SoftTimeout: this run has taken long enough" in ending.handle_msg
    assert "time.sleep(30)" in ending.handle_msg


def test_the_warning_may_come_so_long_before_the_time_out(world, start):
    start(BATON_SOFT_TIMEOUT_LEAD_S="1.5")

    ending = world.ending(world.push("sleep", "60", executor_timeout=2))

    assert ending.outcome == "failed"
    assert "SoftTimeout" in ending.handle_msg


def test_a_child_is_replaced_after_so_many_runs(world, start):
    start(BATON_MAX_RUNS_PER_CHILD="5", BATON_CONCURRENCY="1")

    pids = [world.ending(world.push("who")).result for _ in range(20)]

    assert len(set(pids)) >= 4
    assert max(pids.count(pid) for pid in pids) <= 5


def test_a_child_that_grew_is_replaced_between_two_runs(world, start):
    start(BATON_MAX_CHILD_RSS_MB="120", BATON_CONCURRENCY="1")

    pids: list[int] = []

    def is_another() -> bool:
        pids.append(int(world.ending(world.push("leak")).result))
        return len(set(pids)) >= 3

    until(is_another, 60, "two children to be replaced")
    assert all(world.ended[log_id].ending == "settled" for log_id in world.ended)


@pytest.mark.parametrize(
    ("limits", "usage", "text"),
    [
        (Limits(), Usage(10**12, 10**6), ""),
        (Limits(max_rss_mb=100), Usage(100 * MB, 0), ""),
        (Limits(max_rss_mb=100), Usage(101 * MB, 0), "memory limit: its processes use 101 MB of 100 MB"),
        (Limits(max_cpu_s=2), Usage(0, 11.9), ""),
        (Limits(max_cpu_s=2), Usage(0, 12.5), "CPU limit: its processes used 2.5 s of 2 s"),
    ],
)
def test_which_limit_is_passed(limits, usage, text):
    said = verdict(limits, usage, 10.0)

    assert said.startswith(text)
    assert bool(said) == bool(text)


def alive(path: Path) -> bool:
    try:
        return Path(f"/proc/{path.read_text()}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_daemon_of_a_killed_run_is_found_wherever_it_went(world, start, tmp_path):
    start()
    log_id = world.push("daemonise", str(tmp_path / "pid"))
    until(lambda: (tmp_path / "pid").exists() and alive(tmp_path / "pid"), 10, "the daemon")

    world.kill(log_id)

    assert world.ending(log_id).outcome == "killed"
    assert not alive(tmp_path / "pid")


def test_a_daemon_of_a_run_that_died_by_itself_is_found_too(world, start, tmp_path):
    start()

    ending = world.ending(world.push("daemonise-and-die", str(tmp_path / "pid")))

    assert "was ended by SIGKILL" in ending.handle_msg
    until(lambda: not alive(tmp_path / "pid"), 5, "the daemon to go")


def test_a_daemon_goes_with_an_executor_that_is_killed(world, start, tmp_path):
    executor = start()
    world.push("daemonise", str(tmp_path / "pid"))
    world.push("stubborn", str(tmp_path / "ready"))
    until(lambda: (tmp_path / "pid").exists() and alive(tmp_path / "pid"), 10, "the daemon")
    until((tmp_path / "ready").exists, 10, "the stubborn handler")
    guard = next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and b"worker.guard" in _command(entry) and _parent(entry) == executor.pid
    )
    # what left its session and cleared its environment is known once the guard has looked at it
    until(lambda: os.path.exists(f"/proc/{guard}"), 5, "the guard")
    looked = _ticks(guard)
    until(lambda: _ticks(guard) > looked + 1 or _switches(guard) > 3, 10, "the guard to look")

    executor.kill()

    until(lambda: not alive(tmp_path / "pid"), 10, "the daemon to go")
    until(lambda: not Path(f"/proc/{guard}").exists(), 10, "the guard to leave")


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
    except OSError:
        return 0


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def _switches(pid: int) -> int:
    """How often it has waited: once a look."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("voluntary_ctxt_switches:")[2].split()[0])


def test_signals_for_all_processes_of_a_machine_do_not_end_the_guard_first(world, start):
    executor = start()
    guards = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and b"worker.guard" in _command(entry) and _parent(entry) == executor.pid
    ]

    for guard in guards:
        os.kill(guard, signal.SIGTERM)
    executor.terminate()

    assert executor.wait() == 0
    until(lambda: not any(Path(f"/proc/{guard}").exists() for guard in guards), 10, "the guard to leave")
    assert guards


def test_nothing_is_alive_after_a_few_dozen_kills(world, start, tmp_path):
    start(BATON_CONCURRENCY="8", BATON_KILL_GRACE_S="0.3")

    assert leaked_by(world, tmp_path, kills=24, seed=7) == []
