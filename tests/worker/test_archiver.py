"""The log of each run is in the archive after its end, whatever dies or is away meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from baton import telemetry
from baton.archive import Archive, Place
from baton.broker.consumer import Claimed
from baton.messages import TriggerParam
from tests import factories
from tests.waiting import until
from worker.archiver import TODO, Archiver
from worker.runlog import LogFolder
from worker.runs import Run

from .conftest import DAY_MS, GROUP


class Store(Archive):
    """An archive that can be away, and counts what it is given."""

    is_away = False
    puts = 0
    poison: Path | None = None

    def put(self, logs) -> None:
        if self.is_away or any(path == self.poison for path, _, _ in logs):
            raise ConnectionError("no route to the store")
        self.puts += len(logs)
        super().put(logs)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at((tmp_path / "archive").as_uri())


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path / "logs")


@pytest.fixture
def archiver(store: Store, logs: LogFolder) -> Archiver:
    return Archiver(store, logs, "host-1-aa")


def a_run(log_id: int, token: int = 1) -> Run:
    values = factories.trigger_param(log_id=log_id, job_id=1).to_map() | {"log_date_time": DAY_MS}
    return Run(Claimed(log_id, token, 1, "1", b"", b""), TriggerParam(**values), 1, GROUP)


def begun(archiver: Archiver, logs: LogFolder, *log_ids: int) -> list[Run]:
    runs = [a_run(log_id) for log_id in log_ids]
    archiver.begun(runs)
    for log_id in log_ids:
        logs.append(DAY_MS, log_id, f"words of run {log_id}")
    return runs


def stored(store: Store, log_id: int) -> str:
    found = store.find(Place(GROUP, DAY_MS, log_id))
    return found.read_at(0, found.size).decode() if found else ""


def todo_of(logs: LogFolder) -> list[str]:
    return [
        line for path in sorted((logs.path / TODO).rglob("*.todo")) for line in path.read_text().splitlines()
    ]


def test_a_log_is_stored_when_its_run_has_ended_and_not_before(archiver, logs, store):
    first, second = begun(archiver, logs, 1, 2)
    archiver.step()
    assert store.puts == 0
    assert archiver.is_waiting(logs.of(DAY_MS, 1))

    archiver.ended(second)
    archiver.step()
    assert not archiver.is_waiting(logs.of(DAY_MS, 2))

    assert "words of run 2" in stored(store, 2)
    assert stored(store, 1) == ""
    archiver.ended(first)
    archiver.finish(5)
    assert "words of run 1" in stored(store, 1)
    assert list((logs.path / TODO).iterdir()) == []


def test_while_the_archive_is_away_nothing_is_lost_and_it_is_asked_less_and_less(archiver, logs, store):
    store.is_away = True
    for run in begun(archiver, logs, 1, 2, 3):
        archiver.ended(run)
    waits = [archiver.step() for _ in range(12)]
    store.is_away = False
    for _ in range(5):
        archiver.step()

    assert waits[:3] == [1.0, 2.0, 4.0]
    assert max(waits) == 300.0
    assert all(f"words of run {n}" in stored(store, n) for n in (1, 2, 3))


def test_one_log_that_cannot_be_stored_does_not_hold_up_the_others(archiver, logs, store):
    store.poison = logs.of(DAY_MS, 1)
    for run in begun(archiver, logs, 1, 2, 3):
        archiver.ended(run)
    for _ in range(10):
        archiver.step()

    assert stored(store, 1) == ""
    assert all(f"words of run {n}" in stored(store, n) for n in (2, 3))


def test_what_an_executor_left_is_stored_by_the_next_one(store, logs):
    gone = Archiver(store, logs, "host-1-gone")
    begun(gone, logs, 1, 2)
    alive = Archiver(store, logs, "host-2-alive")
    for run in begun(alive, logs, 3):
        alive.ended(run)
    alive.step()
    assert store.puts == 1, "the other one lives: its runs may still be writing"

    os.close(gone._lock_file)  # as its death does
    alive._adopt_at_s = 0.0
    alive.step()
    alive.step()

    assert all(f"words of run {n}" in stored(store, n) for n in (1, 2))
    assert not (logs.path / TODO / "host-1-gone").exists()
    assert len(todo_of(logs)) == 1
    alive.finish(5)


def test_a_line_that_a_crash_cut_is_left_out(store, logs):
    folder = logs.path / TODO / "gone"
    folder.mkdir(parents=True)
    logs.append(DAY_MS, 1, "words of run 1")
    (folder / "1.todo").write_text(f"{GROUP} {DAY_MS} 1 7\n\x00garbage\n{GROUP} {DAY_MS} x 7\n{GROUP} 17000")
    archiver = Archiver(store, logs, "host-1-aa")
    archiver.step()
    archiver.finish(5)

    assert "words of run 1" in stored(store, 1)
    assert store.puts == 1


def test_what_waits_is_bounded_and_what_is_given_up_is_counted(store, logs):
    archiver = Archiver(store, logs, "host-1-aa", most_waiting=3)
    before = telemetry.count("archive.dropped")
    for run in begun(archiver, logs, *range(1, 8)):
        archiver.ended(run)
    archiver.step()
    archiver.step()

    assert telemetry.count("archive.dropped") == before + 1
    assert [n for n in range(1, 8) if stored(store, n)] == [5, 6, 7]


def test_the_list_does_not_grow_with_the_runs(archiver, logs, store):
    for start in range(0, 3_000, 500):
        for run in [a_run(n) for n in range(start, start + 500)]:
            archiver.begun([run])
            archiver.ended(run)
        while archiver.step() == 0.0:
            pass

    assert len(todo_of(logs)) <= 1_000


def test_a_run_without_a_file_or_with_a_link_for_one_is_passed_over(archiver, logs, store, tmp_path):
    runs = [a_run(1), a_run(2)]
    archiver.begun(runs)
    (tmp_path / "secret").write_text("secret")
    logs.of(DAY_MS, 2).parent.mkdir(parents=True)
    logs.of(DAY_MS, 2).symlink_to(tmp_path / "secret")
    for run in runs:
        archiver.ended(run)
    archiver.step()

    assert store.puts == 0
    assert archiver.step() > 0


# --- an executor


def test_an_executor_stores_its_logs_and_kill_9_loses_none(world, tmp_path):
    url = (tmp_path / "archive").as_uri()
    archive = Archive.at(url)
    environ = {"BATON_LOG_ARCHIVE_URL": url, "BATON_LOG_RETENTION_DAYS": "3650"}
    worker = world.start(**environ)
    ended, cut_off = world.push("succeed", "7"), world.push("sleep", "60")
    world.ending(ended)
    world.wait_until_running(cut_off)
    until(lambda: archive.find(Place(GROUP, DAY_MS, ended)), what="the log of the ended run")
    assert archive.find(Place(GROUP, DAY_MS, cut_off)) is None

    worker.signal(signal.SIGKILL)
    worker.wait()
    world.start(**environ)

    found = until(lambda: archive.find(Place(GROUP, DAY_MS, cut_off)), what="the log of the run cut off")
    assert b"job execute start" in found.read_at(0, found.size)
    whole = archive.find(Place(GROUP, DAY_MS, ended))
    assert whole.read_at(0, whole.size).decode() == world.log_of(ended)


def test_an_executor_that_stops_stores_what_is_left(world, tmp_path):
    url = (tmp_path / "archive").as_uri()
    worker = world.start(BATON_LOG_ARCHIVE_URL=url)
    log_id = world.push("sleep", "60")
    world.wait_until_running(log_id)
    worker.signal(signal.SIGTERM)
    worker.wait()

    found = Archive.at(url).find(Place(GROUP, DAY_MS, log_id))
    assert b"job execute start" in found.read_at(0, found.size)


def test_a_url_that_cannot_be_used_is_named_at_the_start(world):
    worker = world.processes.worker(BATON_LOG_ARCHIVE_URL="no-such://bucket/path")

    assert worker.wait() == 78
    assert "BATON_LOG_ARCHIVE_URL is no-such:…, which cannot be used" in worker.output
