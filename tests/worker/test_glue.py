"""Script jobs: the source comes in the message, and runs as a process of the run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from baton.broker import control, presence
from baton.vocabulary import GlueType
from tests.waiting import until
from worker import glue

from .conftest import GROUP

SHELL = 'echo "param $1, shard $2 of $3"; echo "to stderr" >&2'
PYTHON = "import sys; print('param', sys.argv[1], 'shard', sys.argv[2], 'of', sys.argv[3])"
NODE = "console.log(`param ${process.argv[2]}, shard ${process.argv[3]} of ${process.argv[4]}`)"
SOURCES = {GlueType.GLUE_SHELL: SHELL, GlueType.GLUE_PYTHON: PYTHON, GlueType.GLUE_NODEJS: NODE}


@pytest.fixture
def start(world):
    """Start an executor that may run scripts."""

    def start_one(scripts: str = "all", **environ: str):
        path = environ.pop("PATH", os.environ["PATH"])
        return world.start(**{"BATON_SCRIPTS": scripts, "PATH": path, **environ})

    return start_one


def script(world, source: str, param: str = "", *, kind: str = "GLUE_SHELL", version: int = 1, **fields):
    return world.push("", param, glue_type=kind, glue_source=source, glue_updatetime=version, **fields)


@pytest.mark.parametrize("kind", SOURCES, ids=str)
def test_a_script_gets_its_arguments_and_its_words_are_in_the_log(world, start, kind):
    if kind not in glue.interpreters([kind]):
        pytest.skip(f"no program here runs {kind}")
    start()

    log_id = script(world, SOURCES[kind], "a b'c", kind=kind, broadcast_index=2, broadcast_total=5)

    assert world.ending(log_id).outcome == "succeeded"
    said = world.log_of(log_id).replace(",", "")
    assert "param a b'c shard 2 of 5" in said
    if kind == GlueType.GLUE_SHELL:
        assert "to stderr" in said


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("exit 7", "script exit value(7) is failed: it exited with code 7"),
        ("kill -9 $$", "script exit value(-9) is failed: it was ended by SIGKILL"),
        ("no-such-command", "script exit value(127) is failed"),
    ],
)
def test_the_exit_code_decides(world, start, source, text):
    start()

    ending = world.ending(script(world, source))

    assert (ending.outcome, ending.handle_code) == ("failed", 500)
    assert text in ending.handle_msg


def test_a_changed_source_counts_from_the_next_run_on(world, start):
    start()
    first = script(world, "echo one", job_id=7, version=100)
    world.ending(first)
    second = script(world, "echo two", job_id=7, version=200)
    world.ending(second)
    back = script(world, "echo one", job_id=7, version=100)
    world.ending(back)

    assert "one" in world.log_of(first)
    assert "two" in world.log_of(second)
    assert "one" in world.log_of(back)
    folder = world.folder / "logs" / glue.FOLDER
    assert sorted(path.name for path in folder.iterdir()) == ["7_100.sh", "7_200.sh"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_what_was_put_in_the_place_of_a_source_does_not_run(world, start):
    start()
    world.ending(script(world, "echo ours", job_id=7))
    path = world.folder / "logs" / glue.FOLDER / "7_1.sh"
    path.write_text("echo theirs")

    log_id = script(world, "echo ours", job_id=7)

    assert world.ending(log_id).outcome == "succeeded"
    assert "ours" in world.log_of(log_id)
    assert "theirs" not in world.log_of(log_id)


def test_what_has_not_been_used_for_long_is_removed(world, start):
    start()
    for job_id in (7, 77, 8):
        world.ending(script(world, "echo one", job_id=job_id, version=1))
    folder = world.folder / "logs" / glue.FOLDER
    for name, hours in (("7_1.sh", 2), ("77_1.sh", 2), ("8_1.sh", 31 * 24)):
        long_ago_s = time.time() - hours * 3600
        os.utime(folder / name, (long_ago_s, long_ago_s))

    world.ending(script(world, "echo two", job_id=7, version=2))

    assert sorted(path.name for path in folder.iterdir()) == ["77_1.sh", "7_2.sh"]


def test_a_killed_script_has_its_grace_and_leaves_nothing(world, start, tmp_path):
    start(BATON_KILL_GRACE_S="20")
    source = f"trap 'echo tidied; exit 3' TERM; echo $$ > {tmp_path}/pid; (sleep 600; echo no) & wait"
    log_id = script(world, source)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 10, "the script to begin")

    world.kill(log_id)

    assert world.ending(log_id).handle_msg.startswith("killed by a test")
    assert "tidied" in world.log_of(log_id)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_script_that_ignores_everything_times_out_with_all_it_started(world, start, tmp_path):
    start()
    source = f"trap '' TERM; (trap '' TERM; echo $BASHPID > {tmp_path}/pid; sleep 600) & sleep 600"
    log_id = script(world, source, executor_timeout=1)

    ending = world.ending(log_id)

    assert (ending.outcome, ending.handle_code) == ("timed_out", 502)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("scripts", "kind", "text"),
    [
        ("", "GLUE_SHELL", "allow them with BATON_SCRIPTS"),
        ("GLUE_PYTHON", "GLUE_SHELL", "allow them with BATON_SCRIPTS"),
        ("all", "GLUE_GROOVY", "Groovy runs on Java executors"),
        ("all", "GLUE_COBOL", "glueType[GLUE_COBOL] is not valid."),
    ],
)
def test_what_it_may_not_run_is_refused_with_the_reason(world, start, scripts, kind, text):
    start(scripts)

    ending = world.ending(script(world, "echo no", kind=kind))

    assert (ending.outcome, ending.handle_code) == ("failed", 500)
    assert text in ending.handle_msg


def test_a_missing_interpreter_is_named_and_what_is_there_is_advertised(world, start, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    start(PATH=str(tmp_path / "bin"))

    ending = world.ending(script(world, NODE, kind="GLUE_NODEJS"))

    [executor] = presence.executors(world.redis, GROUP)
    assert f"needs node or nodejs, which is not installed where executor {executor.executor_id} runs" in (
        ending.handle_msg
    )
    assert executor.glue_types == ("GLUE_PYTHON", "GLUE_SHELL")


def test_a_job_without_a_script_and_a_param_no_program_can_take_fail_clearly(world, start):
    start()

    assert world.ending(script(world, "")).handle_msg == "this job has no script yet: write one on its page"
    assert "has a NUL character" in world.ending(script(world, "echo", "a\0b")).handle_msg
    too_large = world.ending(script(world, "echo", "x" * 200_000)).handle_msg
    assert "cannot be started: its arguments have 200," in too_large
    assert "store the data elsewhere" in too_large


def test_a_folder_that_takes_no_file_is_named(world, start):
    start()
    (world.folder / "logs").mkdir(exist_ok=True)
    (world.folder / "logs" / glue.FOLDER).write_text("no folder")

    assert "the script cannot be written into" in world.ending(script(world, "echo")).handle_msg


def test_the_source_lies_where_only_its_owner_reads_it_and_the_log_names_it(world, start):
    start()

    log_id = script(world, "echo", job_id=7, version=3)
    world.ending(log_id)

    path = world.folder / "logs" / glue.FOLDER / "7_3.sh"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert f"script file: {path}" in world.log_of(log_id)


def test_a_script_does_not_learn_the_secrets_of_baton(world, start):
    start(BATON_RQ_URL="redis://:hunter2@127.0.0.1:1/0", SHOP_TOKEN="of the shop")

    log_id = script(world, "env; echo read: $(cat | wc -c)")
    world.ending(log_id)

    said = world.log_of(log_id)
    assert "of the shop" in said
    assert "read: 0" in said
    assert "hunter2" not in said
    assert "BATON_ACCESS_TOKEN" not in said


def test_programs_that_die_with_the_whole_machine_run_elsewhere_and_have_not_failed(world, start, tmp_path):
    """A platform sends SIGTERM to every process at once; only the executor's own survive that."""
    worker = start(BATON_DRAIN_GRACE_S="1", BATON_COMMANDS="bash")
    begun = [tmp_path / "script", tmp_path / "command"]
    sources = [f"touch {path}; sleep 600; echo no" for path in begun]
    script(world, sources[0], job_id=7)
    world.push("baton-command", json.dumps(["bash", "-c", sources[1]]), job_id=8)
    until(lambda: all(path.exists() for path in begun), 10, "both programs to begin")

    for pid in [worker.pid, *worker.descendants()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    assert worker.wait(20) == 0
    assert control.lane_depths(world.redis, GROUP, ["7", "8"]) == {"7": 1, "8": 1}
    assert not world.results.read([GROUP], count=10, block_ms=20), "none of them has ended"


def test_a_script_that_is_terminated_by_somebody_else_has_failed(world, start):
    start()

    ending = world.ending(script(world, "kill -TERM $$"))

    assert ending.handle_msg == "script exit value(-15) is failed: it was ended by SIGTERM"


def test_a_script_that_cannot_be_warned_goes_on_until_its_hard_stop(world, start, tmp_path):
    """A warning is an exception inside a function: where a program is waited for, it would leave it alone."""
    start(BATON_SOFT_TIMEOUT_LEAD_S="19.7")  # it is due while the script sleeps

    log_id = script(world, "sleep 1; echo to its end", executor_timeout=20)

    assert world.ending(log_id).outcome == "succeeded"
    assert "to its end" in world.log_of(log_id)
