"""Old run logs go by age and by room; what somebody writes stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from baton import telemetry
from worker.retention import LogRetention
from worker.runlog import RunLog

KIB = 1024


def day(days_ago: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - days_ago * 86_400))


def log(folder: Path, days_ago: int, name: str, kib: int = 8, minutes_ago: int = 0) -> Path:
    path = folder / day(days_ago) / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * kib * KIB)
    then_s = time.time() - days_ago * 86_400 - minutes_ago * 60
    os.utime(path, (then_s, then_s))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*/*.log"))


def test_days_that_are_too_old_go_with_everything_in_them(tmp_path):
    log(tmp_path, 31, "old")
    (tmp_path / day(31) / "left-by-a-handler").mkdir()
    log(tmp_path, 29, "young")
    (tmp_path / "gluesource").mkdir()

    LogRetention(tmp_path, 30, 0).step()

    assert left(tmp_path) == ["young"]
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([day(29), "gluesource"])


def test_what_takes_too_much_room_goes_oldest_first(tmp_path):
    for n in range(10):
        log(tmp_path, 2 - n // 4, str(n), minutes_ago=10 - n % 4)

    LogRetention(tmp_path, 30, 50 * KIB).step()

    # 80 KiB were there; 45 are left at most, in steps of 8
    assert left(tmp_path) == ["5", "6", "7", "8", "9"]
    assert not (tmp_path / day(2)).exists()


def test_a_log_that_is_written_stays_whatever_its_age_and_the_room(tmp_path):
    old, large = log(tmp_path, 40, "old"), log(tmp_path, 1, "large", kib=400)
    log(tmp_path, 40, "other")
    writers = [RunLog(old), RunLog(large)]
    retention = LogRetention(tmp_path, 30, 50 * KIB)

    retention.step()
    assert left(tmp_path) == ["large", "old"]
    for writer in writers:
        writer.close()
    retention.step()
    assert left(tmp_path) == []


def test_a_log_that_waits_for_the_archive_stays_in_spite_of_its_age_but_not_for_want_of_room(tmp_path):
    waiting = log(tmp_path, 40, "waiting", kib=80)
    log(tmp_path, 40, "other")

    LogRetention(tmp_path, 30, 0, lambda path: path == waiting).step()
    assert left(tmp_path) == ["waiting"]
    LogRetention(tmp_path, 30, 50 * KIB, lambda path: path == waiting).step()
    assert left(tmp_path) == []


def test_nothing_goes_while_there_is_room_and_nothing_is_there_at_first(tmp_path):
    before = telemetry.count("retention.cap")
    LogRetention(tmp_path / "nowhere", 30, 50 * KIB).step()
    log(tmp_path, 1, "one", kib=40)
    LogRetention(tmp_path, 30, 50 * KIB).step()
    LogRetention(tmp_path, 30, 0).step()

    assert left(tmp_path) == ["one"]
    assert telemetry.count("retention.cap") == before


def test_a_link_among_the_logs_leads_nowhere(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("stays")
    logs = tmp_path / "logs"
    log(logs, 40, "old")
    (logs / day(40) / "link.log").symlink_to(secret / "file")
    (logs / day(41)).symlink_to(secret)

    LogRetention(logs, 30, 1).step()

    assert (secret / "file").read_text() == "stays"
    assert left(logs) == []


def test_old_days_are_counted_once(tmp_path, monkeypatch):
    for days_ago in (5, 4, 0):
        path = log(tmp_path, days_ago, str(days_ago))
        then_s = time.time() - days_ago * 86_400
        os.utime(path.parent, (then_s, then_s))
    retention = LogRetention(tmp_path, 30, 10**9)
    retention.step()
    seen: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(Path(path).name) or scandir(path))
    retention.step()

    assert set(seen) == {tmp_path.name, day(0)}


@pytest.mark.parametrize("name", ["2026-1-1", "20260101", "2026-01-01x", "x"])
def test_other_folders_are_left_alone(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "1.log").write_bytes(b"x" * 10_000)

    LogRetention(tmp_path, 1, 1).step()

    assert left(tmp_path) == ["1"]
