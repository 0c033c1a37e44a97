"""The file of one run: its cap, its last words, and what happens when the disk is not there."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

from worker import runlog
from worker.runlog import LEAST_CAP_BYTES, RESERVE_BYTES, LogFolder, RunLog

NOON_MS = 1_700_000_000_000
BODY = LEAST_CAP_BYTES - RESERVE_BYTES
MARK = "[log truncated: it may have 65,536 bytes"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2023-11-14" / "7.log"


@pytest.fixture
def log(path: Path):
    log = RunLog(path, LEAST_CAP_BYTES)
    yield log
    log.close()


def test_a_path_is_made_of_a_day_and_a_number(tmp_path):
    assert runlog.path_of(tmp_path, NOON_MS, 7) == tmp_path / "2023-11-14" / "7.log"
    with pytest.raises(ValueError):
        runlog.path_of(tmp_path, NOON_MS, "../../etc/passwd")  # type: ignore[arg-type]


def test_a_line_has_time_level_and_call_site(log, path):
    log.line("hello", "WARNING", "report.py:12")

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WARNING \[report.py:12\] hello\n", path.read_text()
    )


def test_text_that_is_no_unicode_is_written_escaped(log, path):
    log.line("a lone \udc80 surrogate", "INFO", "x.py:1")

    assert "a lone \\udc80 surrogate" in path.read_text()


def test_what_a_run_says_is_capped_with_one_mark_and_its_end_is_still_there(log, path):
    for n in range(10_000):
        log.line(f"line {n}", "INFO", "x.py:1")
    log.remark("job execute end(finish), succeeded")

    text = path.read_text()
    assert len(text) <= LEAST_CAP_BYTES
    assert text.count(MARK) == 1
    assert text.splitlines()[-1].endswith("INFO [baton] job execute end(finish), succeeded")
    assert "line 0\n" in text
    assert "line 9999" not in text


def test_the_mark_stands_after_a_whole_line_or_the_beginning_of_a_long_one(tmp_path):
    short, long = RunLog(tmp_path / "s", LEAST_CAP_BYTES), RunLog(tmp_path / "l", LEAST_CAP_BYTES)
    for _ in range(10_000):
        short.line("short", "INFO", "x.py:1")
    long.line("x" * 30_000, "INFO", "x.py:1")
    long.line("y" * 60_000, "INFO", "x.py:1")
    before_mark = [(tmp_path / name).read_text().splitlines()[-2] for name in "sl"]
    for log in (short, long):
        log.close()

    assert before_mark[0].endswith("INFO [x.py:1] short")
    assert re.fullmatch(r".* INFO \[x.py:1\] y{10000,}", before_mark[1])


def test_a_file_that_is_filled_exactly_is_not_marked(log, path):
    overhead = len(runlog._line("", "INFO", "x.py:1"))
    log.line("x" * (BODY - overhead), "INFO", "x.py:1")

    assert path.stat().st_size == BODY
    assert MARK not in path.read_text()
    log.line("one more", "INFO", "x.py:1")
    assert MARK in path.read_text()


def test_last_words_never_exceed_the_cap_even_when_there_are_too_many(log, path):
    log.line("x" * BODY, "INFO", "x.py:1")
    for _ in range(1000):
        log.remark("y" * 50_000)

    assert path.stat().st_size <= LEAST_CAP_BYTES
    assert "[line cut: it had 50,000 characters]" in path.read_text()


def test_all_writers_of_a_file_share_its_cap(path):
    """A forked process, or a second attempt, does not begin to count anew."""
    logs = [RunLog(path, LEAST_CAP_BYTES) for _ in range(4)]

    def write(log: RunLog) -> None:
        for n in range(2_000):
            log.line(f"line {n}", "INFO", "x.py:1")

    threads = [threading.Thread(target=write, args=[log]) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second_attempt = RunLog(path, LEAST_CAP_BYTES)
    second_attempt.line("of the second attempt", "INFO", "x.py:1")
    for log in [*logs, second_attempt]:
        log.close()

    assert path.stat().st_size <= LEAST_CAP_BYTES
    assert MARK in path.read_text()
    assert "of the second attempt" not in path.read_text()


def test_lines_after_the_end_go_nowhere(log, path):
    """A thread of an ended run may hold its log, whose descriptor has the number of another file by then."""
    log.close()
    another = os.open(path.parent / "another", os.O_WRONLY | os.O_CREAT)
    log.line("too late", "INFO", "x.py:1")
    log.remark("too late")
    os.close(another)

    assert not log.is_open
    assert path.read_text() == ""
    assert (path.parent / "another").read_text() == ""


def test_a_deleted_folder_costs_the_lines_and_nothing_else(log, path):
    shutil.rmtree(path.parent)

    log.line("written into nothing", "INFO", "x.py:1")

    assert not path.exists()
    assert runlog.append(path, "it was killed", "nothing of it is alive")
    assert [line.split("] ")[1] for line in path.read_text().splitlines()] == [
        "it was killed",
        "nothing of it is alive",
    ]


def test_lines_that_a_full_disk_swallowed_are_counted_when_there_is_room_again(log, path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runlog.os, "write", full)
        log.line("lost", "INFO", "x.py:1")
        log.line("lost too", "INFO", "x.py:1")
    log.line("room again", "INFO", "x.py:1")
    log.line("and on", "INFO", "x.py:1")

    text = path.read_text()
    assert re.search(r"…\[90 bytes of this log were lost: No space left on device\]\n.*room again", text)
    assert text.count("were lost") == 1


def test_append_answers_false_where_no_file_can_be(tmp_path):
    (tmp_path / "2023-11-14").write_text("a file where a folder should be")

    assert not LogFolder(tmp_path).append(NOON_MS, 7, "killed")


def test_a_symlink_is_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    path.parent.mkdir()
    path.symlink_to(victim)

    assert not runlog.append(path, "killed")
    assert victim.read_text() == "untouched"


def test_an_open_log_is_marked_as_in_use(log, path):
    with path.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        log.close()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
