"""Whatever a run says, in whichever way, is in its own log, within its cap; and in no other."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import warnings
from pathlib import Path

import pytest

from tests.waiting import until
from worker.output import Home, Output
from worker.runlog import LEAST_CAP_BYTES, RunLog

from .conftest import DAY_MS

LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
HANDLERS = {"BATON_HANDLERS": "tests.worker.output_for_tests"}


# --- what Python code says, in one process


@pytest.fixture
def home(tmp_path: Path):
    with (tmp_path / "home").open("w+b", buffering=0) as file:
        yield file


@pytest.fixture
def output(home) -> Output:
    return Output(Home(home.fileno(), "box-7", "text"))


@pytest.fixture
def logs(tmp_path: Path):
    logs = [RunLog(tmp_path / f"{n}.log", LEAST_CAP_BYTES) for n in range(2)]
    yield logs
    for log in logs:
        log.close()


def text_of(log: RunLog) -> str:
    """Without the times."""
    return re.sub(f"^{LINE}", "", log.path.read_text(), flags=re.MULTILINE)


def test_a_printed_line_has_time_level_and_the_place_of_the_print(output, logs):
    output.enter(logs[0], is_alone=True)
    print("hello", 7, file=output.stdout)
    print("oh no", file=output.stderr)

    lines = logs[0].path.read_text().splitlines()
    assert re.fullmatch(LINE + r"INFO \[test_output.py:\d+\] hello 7", lines[0])
    assert re.fullmatch(LINE + r"WARNING \[test_output.py:\d+\] oh no", lines[1])


def test_a_line_is_one_line_however_many_writes_it_takes_and_each_line_is_one(output, logs):
    output.enter(logs[0], is_alone=True)
    output.stdout.write("a")
    output.stdout.write("b\nc\nd")
    output.stdout.write("e\r\n")
    print("10 %", "20 %", sep="\r", file=output.stdout)
    output.stdout.write("rest")
    output.leave(logs[0])

    assert [line.split("] ")[1] for line in text_of(logs[0]).splitlines()] == [
        "ab", "c", "de", "10 %", "20 %", "rest",
    ]  # fmt: skip


def test_two_threads_do_not_write_into_one_line(output, logs):
    output.enter(logs[0], is_alone=True)
    output.stdout.write("main, ")
    thread = threading.Thread(target=lambda: print("thread", file=output.stdout))
    thread.start()
    thread.join()
    print("end of main", file=output.stdout)

    assert [line.split("] ")[1] for line in text_of(logs[0]).splitlines()] == ["thread", "main, end of main"]


def test_a_huge_print_is_cut_at_the_cap_and_costs_no_more(output, logs):
    output.enter(logs[0], is_alone=True)
    print("x" * 10_000_000, file=output.stdout)
    print("y\n" * 5_000_000, file=output.stdout)
    output.stdout.write("z" * 10_000_000)

    assert logs[0].path.stat().st_size <= LEAST_CAP_BYTES
    assert "log truncated" in text_of(logs[0])
    assert output.stdout._begun == {}


def test_what_is_said_outside_a_run_or_after_its_end_goes_home_with_a_name(output, logs, home):
    print("before any run", file=output.stdout)
    output.enter(logs[0], is_alone=True)
    output.leave(logs[0])
    logs[0].close()
    print("too late", file=output.stdout)
    home.seek(0)

    said = home.read().decode()
    assert re.findall(r"INFO +worker +child.said child=\d+ at=test_output.py:\d+ (.*)", said) == [
        "before any run",
        "too late",
    ]
    assert text_of(logs[0]) == ""


def test_for_a_machine_home_is_an_object_a_line(home):
    Output(Home(home.fileno(), "box-7", "json")).say(["line\nbreak"], "WARNING", "mine.py:3")
    home.seek(0)

    said = json.loads(home.read())
    assert (said["event"], said["process"], said["message"]) == ("child.said", "box-7", "line\nbreak")
    assert (said["level"], said["role"], said["fields"]["at"]) == ("WARNING", "worker", "mine.py:3")


def test_home_is_not_flooded(output, home):
    for _ in range(3):
        print("x" * 60_000 + "\n" + "y\n" * 400_000, file=output.stdout)

    assert home.tell() < 2_000_000


def test_it_is_a_file_as_far_as_libraries_ask(output, logs):
    output.enter(logs[0], is_alone=True)
    stream = output.stdout
    stream.close()
    stream.reconfigure(line_buffering=False)
    stream.buffer.close()
    stream.buffer.write(memoryview("grün ".encode()))
    print("still open", file=stream, flush=True)

    assert (stream.fileno(), stream.isatty(), stream.writable(), stream.encoding) == (1, False, True, "utf-8")
    assert isinstance(stream, io.TextIOBase)
    assert "grün still open" in text_of(logs[0])
    with pytest.raises(TypeError):
        stream.write(b"bytes")


def test_logging_and_warnings_say_where_they_came_from(output, logs, monkeypatch):
    import logging

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        output.install()
        output.enter(logs[0], is_alone=True)
        logging.getLogger("x").error("an %s", "error")
        logging.getLogger("x").info("wrong %d", "arguments")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = output._show_warning
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    finally:
        root.setLevel(level)

    said = text_of(logs[0])
    assert re.search(r"^ERROR \[test_output.py:\d+\] an error$", said, re.MULTILINE)
    assert "a log call that cannot be formatted: 'wrong %d' % ('arguments',)" in said
    assert re.search(r"^WARNING \[test_output.py:\d+\] DeprecationWarning: old$", said, re.MULTILINE)


# --- an executor


def test_everything_a_run_says_is_in_its_log_before_its_last_line(world):
    world.start(**HANDLERS)
    log_id = world.push("all-ways")
    world.ending(log_id)

    lines = world.log_of(log_id).splitlines()
    said = "\n".join(re.sub(LINE, "", line) for line in lines)
    assert all(re.match(LINE + r"(INFO|WARNING) \[[^]]+\] ", line) for line in lines), said
    for level, site, text in (
        ("INFO", r"output_for_tests.py:\d+", "by print"),
        ("WARNING", r"output_for_tests.py:\d+", "by print to stderr"),
        ("INFO", r"output_for_tests.py:\d+", "by write, without an end"),
        ("WARNING", r"output_for_tests.py:\d+", "by logging 7"),
        ("WARNING", r"output_for_tests.py:\d+", "UserWarning: by warnings"),
        ("INFO", "output", "by a subprocess"),
        ("INFO", "output", "without an endby descriptor"),
        ("INFO", "output", "by a library"),
        ("INFO", r"output_for_tests.py:\d+", r"by bytes \\xff"),
        ("INFO", r"output_for_tests.py:\d+", "by a thread"),
        ("INFO", r"output_for_tests.py:\d+", "by a forked process"),
    ):
        assert re.search(rf"^{level} \[{site}\] {text}$", said, re.MULTILINE), (text, said)
    assert lines[-1].endswith("job execute end(finish), succeeded")


@pytest.mark.parametrize("handler", ["flood-by-print", "flood-by-subprocess"])
def test_100_mb_of_output_end_at_the_cap_and_harm_nobody(world, handler):
    world.start(**HANDLERS, BATON_LOG_CAP_BYTES="1000000")
    flood, other = world.push(handler), world.push("name", "another run")

    assert world.ending(flood, 60).outcome == world.ending(other).outcome == "succeeded"
    log = world.log_of(flood)
    assert len(log.encode()) <= 1_000_000
    assert log.count("log truncated: it may have 1,000,000 bytes") == 1
    assert log.splitlines()[-1].endswith("job execute end(finish), succeeded")
    assert "I am another run" in world.log_of(other)


def test_a_process_left_behind_writes_into_the_log_of_its_own_run_only(world, tmp_path):
    """It wrote nothing while its run ran, left group, session and parent, and speaks during the next run."""
    world.start(**HANDLERS, BATON_CONCURRENCY="1")
    word, end = tmp_path / "word", tmp_path / "end"
    first = world.push("leave-behind", str(word))
    world.ending(first)
    second = world.push("wait-for", str(end))
    until(lambda: "waiting" in world.log_of(second), what="the second run to begin")

    word.touch()
    until(lambda: "from the one left behind" in world.log_of(first), what="what it said")
    end.touch()
    world.ending(second)

    assert "[output, after the end] from the one left behind" in world.log_of(first)
    assert "left behind" not in world.log_of(second)


def test_a_crash_leaves_what_was_said_before_it_its_trace_and_its_end(world):
    world.start(**HANDLERS)
    log_id = world.push("segfault")
    ending = world.ending(log_id)

    log = world.log_of(log_id)
    assert "the process of the handler was ended by SIGSEGV while it ran" in ending.handle_msg
    assert "before the crash" in log
    assert "[output] the last line of a library" in log
    assert "Segmentation fault" in log
    assert re.search(r"output_for_tests.py.*, line \d+ in segfault", log)
    assert (
        "job execute end(finish), failed: the process of the handler was ended by SIGSEGV"
        in (log.splitlines()[-1])
    )


def test_what_a_killed_run_said_last_and_how_it_ended_is_in_its_log(world, tmp_path):
    world.start(**HANDLERS)
    ready = tmp_path / "ready"
    log_id = world.push("talk-and-ignore", str(ready))
    until(ready.exists, 10, "the handler")
    world.kill(log_id)
    world.ending(log_id)

    lines = world.log_of(log_id).splitlines()
    assert any(line.endswith("[output] the signal was heard") for line in lines)
    assert "job execute end(finish), killed: killed by a test [job running, killed]" in lines[-2]
    assert "it ignored SIGTERM for 0.5 s, SIGKILL to " in lines[-1]


def test_a_run_that_deletes_its_own_log_folder_harms_nobody(world):
    world.start(**HANDLERS)
    folder = world.folder / "logs" / "2023-11-14"
    deleting = world.push("delete-own-folder", str(folder))

    assert world.ending(deleting).outcome == "succeeded"
    later = world.push("name", "the next one")
    assert world.ending(later).outcome == "succeeded"
    assert "I am the next one" in world.log_of(later)


def test_coroutines_that_speak_at_the_same_time_have_a_log_each(world):
    worker = world.start(**HANDLERS)
    a, b = world.push("together", "a"), world.push("together", "b")
    world.ending(a)
    world.ending(b)

    for log_id, me, other in ((a, "a", "b"), (b, "b", "a")):
        log = world.log_of(log_id)
        assert f"{me} first half, second half of {me}" in log
        assert f"by a thread of {me}" in log
        assert f"logged by {me}" in log
        assert f"of {other}\n" not in log
        assert "nobody knows whose" not in log
    until(lambda: worker.output.count("at=output nobody knows whose") == 2, what="the executor to say it")
    assert "child.said child=" in worker.output


def test_the_log_of_a_run_that_never_began_says_why(world):
    world.start(**HANDLERS)
    log_id = world.push("name", glue_type="GLUE_X")
    world.ending(log_id)

    assert world.log_of(log_id).count("\n") == 1
    assert "job execute end(finish), failed: glueType[GLUE_X] is not valid." in world.log_of(log_id)
    assert (world.folder / "logs" / "2023-11-14").is_dir(), DAY_MS
