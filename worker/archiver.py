"""Stores the log of each run in the archive when it has ended.

What is to be done stands on the disk before a run begins, beside the logs, so that a kill -9 loses
nothing: `<log dir>/archive.todo/<executor id>/<n>.todo`, a line for each run:

    <group> <trigger time, ms> <log id> <token>

The folder belongs to one executor, which holds an flock on its file `lock`. A file goes when everything
in it is stored. Whoever finds a folder whose lock is free stores the rest: nobody writes those logs any
more. Storing a log twice changes nothing. If the archive is away for long, the oldest are given up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from baton import telemetry
from baton.archive import Archive, Place

from .runlog import LogFolder
from .runs import Run

TODO = "archive.todo"
_INTERVAL_S = 1.0
_ADOPT_INTERVAL_S = 30.0
_BATCH = 64
_FIRST_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 300.0
_ENTRIES_PER_FILE = 1_000
MOST_WAITING = 100_000
LAST_STORE_S = 5.0
"""How long an executor that leaves goes on storing; what is left then waits for the next one."""


@dataclass(slots=True, eq=False)
class _TodoFile:
    """One file of the list, and how much of it is left to do."""

    path: Path
    entries: int = 0
    left: int = 0
    is_complete: bool = False
    """Nothing will be added."""

    def done(self) -> None:
        self.left -= 1
        self.remove_if_done()

    def remove_if_done(self) -> None:
        if self.is_complete and self.left <= 0:
            with contextlib.suppress(OSError):
                self.path.unlink()


@dataclass(frozen=True, slots=True)
class _Entry:
    place: Place
    token: int
    file: _TodoFile = field(compare=False)

    def to_line(self) -> str:
        place = self.place
        return f"{place.app_name} {place.log_date_time} {place.log_id} {self.token}\n"

    @classmethod
    def from_line(cls, line: str, file: _TodoFile) -> _Entry | None:
        """None for a line that a crash cut."""
        fields = line.split(" ")
        if len(fields) != 4 or not all(each.isdigit() for each in fields[1:]):
            return None
        return cls(Place(fields[0], int(fields[1]), int(fields[2])), int(fields[3]), file)


class Archiver:
    """Runs begin and end on other threads; `step` stores what has ended."""

    def __init__(
        self, archive: Archive, logs: LogFolder, executor_id: str, most_waiting: int = MOST_WAITING
    ) -> None:
        self._archive = archive
        self._logs = logs
        self._most_waiting = most_waiting
        self._folder = logs.path / TODO / executor_id
        self._lock_file = _own(self._folder)
        self._lock = threading.Lock()
        self._waiting: set[Path] = set()
        self._begun: dict[tuple[int, int], _Entry] = {}
        self._ended: deque[_Entry] = deque()
        self._dropped = 0
        self._number = 0
        self._current = self._next_file()
        self._batch = _BATCH
        self._back_off_s = 0.0
        self._adopt()
        self._adopt_at_s = time.monotonic() + _ADOPT_INTERVAL_S

    def is_waiting(self, path: Path) -> bool:
        """Whether this log is still to be stored: it should not go because of its age."""
        return path in self._waiting

    def begun(self, runs: Sequence[Run]) -> None:
        """These runs may begin now: their logs are to be stored."""
        with self._lock:
            if self._current.entries >= _ENTRIES_PER_FILE:
                self._current.is_complete = True
                self._current.remove_if_done()
                self._current = self._next_file()
            lines = ""
            for run in runs:
                if run.trigger is None:
                    continue
                place = Place(run.app_name, run.trigger.log_date_time, run.log_id)
                entry = _Entry(place, run.claimed.token, self._current)
                self._begun[run.log_id, run.claimed.token] = entry
                self._waiting.add(self._path(entry))
                self._current.entries += 1
                self._current.left += 1
                lines += entry.to_line()
            try:
                with self._current.path.open("a", encoding="utf-8") as file:
                    file.write(lines)
            except OSError as problem:  # a full disk: the run matters more; it is stored if nothing crashes
                telemetry.problem("archive.failed", problem)

    def ended(self, run: Run) -> None:
        """Nobody writes the log of this run any more."""
        with self._lock:
            entry = self._begun.pop((run.log_id, run.claimed.token), None)
            if entry is not None:
                self._add(entry)

    def step(self) -> float:
        """Store some logs; answers how long to wait."""
        if self._dropped:
            telemetry.warning("archive.dropped", logs=self._dropped)
            self._dropped = 0
        now_s = time.monotonic()
        if now_s >= self._adopt_at_s:
            self._adopt_at_s = now_s + _ADOPT_INTERVAL_S
            self._adopt()
        with self._lock:
            batch = [self._ended.popleft() for _ in range(min(self._batch, len(self._ended)))]
        if not batch:
            return _INTERVAL_S
        try:
            self._store(batch)
        except Exception as problem:  # whatever the store of the archive raises
            return self._wait_after(problem, batch)
        with self._lock:
            for entry in batch:
                self._done(entry)
        self._batch, self._back_off_s = _BATCH, 0.0
        telemetry.detail("archive.done", logs=len(batch))
        return 0.0 if self._ended else _INTERVAL_S

    def finish(self, within_s: float) -> None:
        """This executor leaves, nothing runs any more: store what is left, as far as the time suffices."""
        give_up_s = time.monotonic() + within_s
        with self._lock:
            self._ended.extend(self._begun.values())
            self._begun.clear()
        with contextlib.suppress(OSError):
            while self._ended and time.monotonic() < give_up_s and not self._back_off_s:
                self.step()
        if not self._ended:
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock_file)

    def _store(self, batch: Sequence[_Entry]) -> None:
        files = [(self._path(entry), entry.place, entry.token) for entry in batch]
        # a run that was handed back before it began has no file, and one may be gone by its age
        self._archive.put([file for file in files if file[0].is_file() and not file[0].is_symlink()])

    def _wait_after(self, problem: Exception, batch: Sequence[_Entry]) -> float:
        telemetry.problem("archive.failed", problem, waiting=len(self._ended) + len(batch))
        with self._lock:
            if len(batch) == 1:  # it may be this one: let the others go first
                self._ended.append(batch[0])
            else:
                self._ended.extendleft(reversed(batch))
        self._batch = 1
        self._back_off_s = min(max(2 * self._back_off_s, _FIRST_BACK_OFF_S), _LONGEST_BACK_OFF_S)
        return self._back_off_s

    def _add(self, entry: _Entry) -> None:
        self._ended.append(entry)
        while len(self._ended) > self._most_waiting:
            self._done(self._ended.popleft())
            self._dropped += 1

    def _done(self, entry: _Entry) -> None:
        entry.file.done()
        self._waiting.discard(self._path(entry))

    def _path(self, entry: _Entry) -> Path:
        return self._logs.of(entry.place.log_date_time, entry.place.log_id)

    def _next_file(self) -> _TodoFile:
        self._number += 1
        return _TodoFile(self._folder / f"{self._number}.todo")

    def _adopt(self) -> None:
        """Take over what executors that are gone did not come to do."""
        for folder in sorted(self._folder.parent.iterdir()):
            if folder == self._folder or folder.name.startswith(".") or not folder.is_dir():
                continue
            with _if_left(folder) as is_left:
                if is_left:
                    self._take_over(folder)

    def _take_over(self, folder: Path) -> None:
        for path in sorted(folder.glob("*.todo")):
            # ours before it is not theirs any more: a crash between the two stores it twice
            ours = self._next_file()
            shutil.copyfile(path, ours.path)
            ours.is_complete = True
            lines = path.read_text("utf-8", "replace").splitlines()
            entries = [entry for line in lines if (entry := _Entry.from_line(line, ours))]
            ours.left = len(entries)
            with self._lock:
                for entry in entries:
                    self._waiting.add(self._path(entry))
                    self._add(entry)
            ours.remove_if_done()
        shutil.rmtree(folder, ignore_errors=True)


def _own(folder: Path) -> int:
    """Make a folder that is locked from the first moment others can see it."""
    made = folder.with_name(f".{folder.name}")
    made.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(made)
    made.rename(folder)
    return descriptor


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


@contextlib.contextmanager
def _if_left(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder if nobody does."""
    try:
        descriptor = _lock(folder)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)
