"""Changed files of handlers: fresh children take over, and nothing that runs is cut."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from baton.broker import presence
from tests.processes import ROOT, Process
from tests.waiting import until
from worker.reload import Reloader, roots_of

from .conftest import GROUP

SAY = """
import time
from pathlib import Path
from baton import job

@job("say")
def say(ctx):
    while ctx.param and not Path(ctx.param).exists():
        time.sleep(0.01)
    return "{word}"
"""

SAY_ASYNC = """
import asyncio
from pathlib import Path
from baton import job

@job("say-async")
async def say(ctx):
    while ctx.param and not Path(ctx.param).exists():
        await asyncio.sleep(0.01)
    return "{word}"
"""

CLASSY = """
import pathlib
from baton import job

@job("classy")
class Classy:
    def run(self, ctx):
        self.folder = pathlib.Path(ctx.param)
        return 1

    def destroy(self):
        (self.folder / "destroyed").touch()
"""


def write(path: Path, text: str) -> None:
    """As editors do it: nobody ever sees half a file."""
    new = path.with_name(".being-written")
    new.write_text(text)
    new.rename(path)


@pytest.fixture
def redis_url(one_redis_url: str) -> str:
    """One kind of server: nothing here depends on its version."""
    return one_redis_url


# looking


def test_what_is_added_changed_and_removed_is_noticed_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handlers").mkdir()
    calls: list[str] = []
    reloader = Reloader([], lambda: calls.append("changed"))

    def look() -> int:
        before = len(calls)
        assert 0 < reloader.step() <= 1
        assert reloader.step() > 0
        return len(calls) - before

    assert look() == 0
    write(tmp_path / "handlers" / "one.py", "1")
    assert look() == 1
    write(tmp_path / "handlers" / "one.py", "2")
    assert look() == 1
    (tmp_path / "handlers" / "deep").mkdir()
    write(tmp_path / "handlers" / "deep" / "two.py", "2")
    assert look() == 1
    write(tmp_path / "handlers" / "notes.txt", "no Python")
    (tmp_path / "handlers" / "__pycache__").mkdir()
    write(tmp_path / "handlers" / "__pycache__" / "one.py", "no source")
    assert look() == 0
    (tmp_path / "handlers" / "one.py").unlink()
    assert look() == 1


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls: list[str] = []
    reloader = Reloader([], lambda: calls.append("changed"))

    (tmp_path / "handlers").mkdir()
    write(tmp_path / "handlers" / "one.py", "1")
    reloader.step()

    assert calls == ["changed"]


def test_a_named_module_is_watched_with_its_whole_package_and_libraries_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "single.py").touch()

    assert roots_of(["shop.jobs.nightly", "shop.other", "single", "redis", "nothing_like_it"]) == [
        tmp_path / "shop",
        tmp_path / "single.py",
    ]


# taking over


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project" / "handlers"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def start(world, folder):
    """An executor in a project of its own, which watches its handlers."""

    def start_one() -> Process:
        worker = world.processes.start(
            "worker", cwd=folder.parent, BATON_HANDLERS="", BATON_RELOAD="yes", PYTHONPATH=str(ROOT)
        )
        until(lambda: handlers(world), 20, "an executor with handlers")
        return worker

    return start_one


def executor(world) -> presence.ExecutorInfo:
    (only,) = presence.executors(world.redis, GROUP)
    return only


def handlers(world) -> tuple[str, ...]:
    return executor(world).handlers


def result(world, handler: str) -> str:
    return world.ending(world.push(handler)).result


@pytest.mark.parametrize(("handler", "text"), [("say", SAY), ("say-async", SAY_ASYNC)])
def test_what_runs_goes_on_with_the_old_code_and_what_comes_has_the_new(
    world, start, folder, tmp_path, handler, text
):
    write(folder / "one.py", text.format(word="old"))
    start()
    running = world.push(handler, str(tmp_path / "go"))
    world.wait_until_running(running)

    # the same size, perhaps within the same second: neither hides a change
    for word in ("new", "nov"):
        write(folder / "one.py", text.format(word=word))
        until(lambda w=word: result(world, handler) == f'"{w}"', 15, f"the code that says {word}")
    (tmp_path / "go").touch()

    assert world.ending(running).result == '"old"'


def test_handlers_of_a_new_file_appear_and_those_of_a_removed_one_go(world, start, folder):
    write(folder / "one.py", SAY.format(word="one"))
    worker = start()

    write(folder / "two.py", SAY_ASYNC.format(word="two"))
    until(lambda: handlers(world) == ("say", "say-async"), 10, "the new handler")
    assert result(world, "say-async") == '"two"'
    worker.wait_for("handlers.changed files=two.py")
    (folder / "two.py").unlink()

    until(lambda: handlers(world) == ("say",), 10, "the handler to go")


def test_a_broken_file_is_shown_fails_its_own_runs_and_is_mended_by_the_next_save(world, start, folder):
    write(folder / "one.py", SAY.format(word="one"))
    write(folder / "two.py", SAY_ASYNC.format(word="two"))
    worker = start()

    write(folder / "one.py", "def broken(:\n")
    worker.wait_for("handlers.changed files=one.py")
    until(lambda: "SyntaxError" in executor(world).problem, 10, "the executor to say so")
    failed = world.ending(world.push("say"))

    assert f'{folder}/one.py", line 1' in executor(world).problem
    said = f"{folder}/one.py:1: handlers.one cannot be imported: SyntaxError: invalid syntax"
    assert worker.output.count(said) == 1, "once in the terminal, not once for each child"
    assert failed.outcome == "failed"
    assert failed.handle_msg.startswith("job handler [say] not found.")
    assert "SyntaxError: invalid syntax" in failed.handle_msg
    assert result(world, "say-async") == '"two"'

    write(folder / "one.py", SAY.format(word="mended"))
    # a child that was slow to start may have read the mended file before its neighbours are replaced
    until(lambda: worker.output.count("handlers.changed files=one.py") == 2, 10, "the change to be seen")

    until(lambda: not executor(world).problem, 10, "the executor to say so")
    assert result(world, "say") == '"mended"'


def children(worker) -> set[int]:
    """Its children that run handlers; its guard stays."""
    return {pid for pid in worker.descendants() if b"worker.child" in _command(pid)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_children_that_are_let_go_destroy_what_they_began_and_none_is_left(world, start, folder, tmp_path):
    write(folder / "one.py", CLASSY)
    worker = start()
    assert world.ending(world.push("classy", str(tmp_path))).result == "1"
    before = children(worker)

    write(folder / "one.py", CLASSY.replace("return 1", "return 2"))

    until((tmp_path / "destroyed").exists, 10, "the old instance to be destroyed")
    until(lambda: not before & children(worker), 15, "the old children to leave")
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def test_without_being_asked_nobody_watches(world, folder):
    write(folder / "one.py", SAY.format(word="one"))
    worker = world.processes.start("worker", cwd=folder.parent, BATON_HANDLERS="", PYTHONPATH=str(ROOT))
    until(lambda: handlers(world), 20, "an executor with handlers")
    threads = {
        Path("/proc", str(worker.pid), "task", task, "comm").read_text().strip()
        for task in os.listdir(f"/proc/{worker.pid}/task")
    }

    write(folder / "one.py", SAY.format(word="two"))

    assert result(world, "say") == '"one"'
    assert "reload" not in threads
