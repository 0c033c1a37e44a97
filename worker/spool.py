"""Endings on the executor's disk: written before anyone is told, gone when their results are applied.

Folder `<spool dir>/<executor id>/` belongs to one executor process, which holds an flock on its
file `lock`. Segments are called `<n>.journal`; `journal.py` says what stands in them. An ending is

    open        its run was claimed; the ending may be written any time
    accepted    Redis has it: its lease is gone, its result stands in the stream
    applied     its result has left the stream: its row has it

and a segment is removed when all its endings are applied (`kept.py` finds out). What Redis accepted is
kept until then because Redis may lose its data, and the stream with it. When Redis refuses, the
segments are fsynced, so that they also survive the machine. A later executor on the same disk adopts
the folders whose lock is free (`orphans.py`). Damaged bytes go to `<spool dir>/quarantine/`.

Several threads come here: the courier, the main thread, the replay and the keeper.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .journal import (
    OVERHEAD_BYTES,
    Journal,
    joined,
    read_records,
    segment_path,
    sync_file,
    sync_folder,
    write_whole,
)

QUARANTINE = "quarantine"
LOCK = "lock"
UNBORN = ".new-"
"""What the name of a folder begins with until its lock is held: nobody may take it for an orphan."""
_RUNS_PER_SEGMENT = 2_000
BYTES_PER_SEGMENT = 1024 * 1024
"""A segment stays as long as its longest run: it must not pin much that nobody needs any more."""


@dataclass(slots=True)
class _Segment:
    """What is known of one segment."""

    begun: int = 0
    open: int = 0
    bytes: int = 0
    adopted: int = 0
    """How many endings in it came from another executor and were not handed over yet."""


class Spool:
    """The executor's end: knows the segments, and what is still needed of them."""

    def __init__(self, spool_dir: Path, executor_id: str) -> None:
        self.spool_dir = spool_dir
        self.folder = spool_dir / executor_id
        self._lock_file = _own_folder(self.folder)
        self._lock = threading.Lock()
        self._last = self._current = 1
        self._segments: dict[int, _Segment] = {1: _Segment()}
        self._own = Journal(self.folder)
        self.is_full = False
        """Whether the spool may grow no more: nothing is claimed then. `spool_gauge.py` decides."""

    # a run and its ending

    def begin(self) -> int:
        """A run starts; answers the segment its ending goes to."""
        with self._lock:
            current = self._segments[self._current]
            if current.begun >= _RUNS_PER_SEGMENT or current.bytes >= BYTES_PER_SEGMENT:
                current = self._rotate()
            current.begun += 1
            current.open += 1
            return self._current

    def write(self, segment: int, frame: bytes) -> None:
        """Write an ending the child could not write (it was killed)."""
        self._own.append(segment, frame)

    def written(self, segment: int, frame: bytes) -> None:
        """An ending stands in this segment, as far as anybody could write it."""
        with self._lock:
            self._segments[segment].bytes += OVERHEAD_BYTES + len(frame)

    def accepted(self, segment: int) -> None:
        """Redis has the ending, or the run was handed back."""
        with self._lock:
            self._segments[segment].open -= 1

    def frames(self, segment: int) -> tuple[bytes, ...]:
        """The intact endings of one segment."""
        try:
            return read_records(segment_path(self.folder, segment).read_bytes()).frames
        except FileNotFoundError:
            return ()

    # what is left of other executors

    def adopt(self, frames: Sequence[bytes]) -> None:
        """Take over these endings; they are to be handed over."""
        with self._lock:
            self._last = number = self._last + 1
        write_whole(segment_path(self.folder, number), joined(frames))
        with self._lock:
            self._segments[number] = _Segment(adopted=len(frames))

    def adopted(self) -> list[int]:
        """The segments that were adopted and not handed over, in order."""
        with self._lock:
            return sorted(number for number, each in self._segments.items() if each.adopted)

    def adopted_endings(self) -> int:
        """How many endings wait in them."""
        with self._lock:
            return sum(each.adopted for each in self._segments.values())

    def handed_over(self, segment: int) -> None:
        """Redis has all of an adopted segment."""
        with self._lock:
            self._segments[segment].adopted = 0

    # until the results are applied

    def begin_another(self) -> None:
        """What has a run in it gets no more: it can go when these have ended and are applied."""
        with self._lock:
            if self._segments[self._current].begun:
                self._rotate()

    def all(self) -> list[int]:
        """Every segment, in order."""
        with self._lock:
            return sorted(self._segments)

    def all_accepted(self) -> list[int]:
        """The segments whose every ending Redis has, and that get no more, in order."""
        with self._lock:
            return sorted(
                number
                for number, each in self._segments.items()
                if number != self._current and not each.open and not each.adopted
            )

    def release(self, segment: int) -> None:
        """Nobody needs this segment any more."""
        with self._lock:
            del self._segments[segment]
        segment_path(self.folder, segment).unlink(missing_ok=True)

    def is_needed(self) -> bool:
        """Whether an ending in it was not accepted, or may not be applied yet."""
        with self._lock:
            return any(each.open or each.begun or each.adopted for each in self._segments.values())

    def open_endings(self) -> int:
        """How many runs of this process have no accepted ending."""
        with self._lock:
            return sum(each.open for each in self._segments.values())

    def sync(self) -> None:
        """Make what Redis does not take now survive the machine."""
        with self._lock:
            numbers = [number for number, each in self._segments.items() if each.open]
        for number in numbers:
            with contextlib.suppress(FileNotFoundError):
                sync_file(segment_path(self.folder, number))
        sync_folder(self.folder)

    def close(self) -> None:
        """Give the folder up; it is removed if nothing in it is needed."""
        if not self.is_needed():
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock_file)

    def _rotate(self) -> _Segment:
        self._last = self._current = self._last + 1
        self._segments[self._current] = _Segment()
        return self._segments[self._current]


def _own_folder(folder: Path) -> int:
    """Make the folder and lock it; it gets its name when the lock is held. Answers the lock."""
    unborn = folder.with_name(UNBORN + folder.name)
    unborn.mkdir(parents=True, mode=0o700)
    lock = os.open(unborn / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unborn.rename(folder)
    return lock
