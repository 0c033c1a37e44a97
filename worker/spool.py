"""Endings on the executor's disk, written before anyone is told.

Folder `<spool dir>/<executor id>/` belongs to one executor process, which holds an flock on its
file `lock`. Segments are called `<n>.journal`. A record is

    "BTN1" | length u32 | crc32 u32 | sealed HandleCallbackParam

The child that ran the handler appends its record with one O_APPEND write before it answers its
parent: from then on a kill -9 of child or parent loses nothing. A segment is removed when every
ending in it was accepted by Redis. When Redis refuses, the segments are fsynced too, so that they
also survive the machine. A later executor on the same disk adopts the folders whose lock is free.
Damaged bytes go to `<spool dir>/quarantine/`; the intact records around them are delivered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"BTN1"
_HEADER = struct.Struct(">4sII")
LONGEST_RECORD_BYTES = 2 * 1024 * 1024
QUARANTINE = "quarantine"
_RUNS_PER_SEGMENT = 2_000


def record(frame: bytes) -> bytes:
    """The bytes of one record."""
    return _HEADER.pack(MAGIC, len(frame), zlib.crc32(frame)) + frame


@dataclass(frozen=True, slots=True)
class Contents:
    """What a segment holds: intact frames in order, and the bytes that are neither."""

    frames: tuple[bytes, ...]
    damaged: bytes


def read_records(raw: bytes) -> Contents:
    """Read a segment; after damage, reading goes on at the next intact record."""
    frames: list[bytes] = []
    damaged = bytearray()
    at = 0
    while at < len(raw):
        frame = _record_at(raw, at)
        if frame is not None:
            frames.append(frame)
            at += _HEADER.size + len(frame)
            continue
        following = raw.find(MAGIC, at + 1)
        following = len(raw) if following < 0 else following
        damaged += raw[at:following]
        at = following
    return Contents(tuple(frames), bytes(damaged))


def _record_at(raw: bytes, at: int) -> bytes | None:
    if len(raw) - at < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack_from(raw, at)
    frame = raw[at + _HEADER.size : at + _HEADER.size + length]
    is_whole = magic == MAGIC and len(frame) == length <= LONGEST_RECORD_BYTES
    return frame if is_whole and zlib.crc32(frame) == checksum else None


class Journal:
    """A child's end: appends records to the segment its parent names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment = -1
        self._descriptor = -1

    def append(self, segment: int, frame: bytes) -> None:
        """Write one record; raises `OSError` if the disk does not take it."""
        if segment != self._segment:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._folder / f"{segment}.journal", flags, 0o600)
            self._segment = segment
        os.write(self._descriptor, record(frame))


class Spool:
    """The executor's end: knows which segment is written and how many endings in it are open."""

    def __init__(self, spool_dir: Path, executor_id: str) -> None:
        self._spool_dir = spool_dir
        self.folder = spool_dir / executor_id
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._segment = 1
        self._begun = 0
        self._open: dict[int, int] = {1: 0}
        self._own = Journal(self.folder)

    def begin(self) -> int:
        """A run starts; answers the segment its ending goes to."""
        if self._begun >= _RUNS_PER_SEGMENT:
            self._rotate()
        self._begun += 1
        self._open[self._segment] += 1
        return self._segment

    def write(self, segment: int, frame: bytes) -> None:
        """Write an ending the child could not write (it was killed)."""
        self._own.append(segment, frame)

    def frames(self, segment: int) -> tuple[bytes, ...]:
        """The intact endings of one segment."""
        try:
            return read_records((self.folder / f"{segment}.journal").read_bytes()).frames
        except FileNotFoundError:
            return ()

    def accepted(self, segment: int) -> None:
        """Redis has the ending (or the run was handed back): the record is not needed any more."""
        self._open[segment] -= 1
        if self._open[segment] > 0:
            return
        if segment == self._segment:
            self._rotate()
        del self._open[segment]
        (self.folder / f"{segment}.journal").unlink(missing_ok=True)

    def sync(self) -> None:
        """Make the open segments survive the machine: Redis does not take them now."""
        for segment in list(self._open):
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self.folder / f"{segment}.journal", os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """Give the folder up; it is removed if nothing is left in it."""
        if not any(self._open.values()):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _rotate(self) -> None:
        self._segment += 1
        self._begun = 0
        self._open[self._segment] = 0

    def orphans(self) -> Iterator[Orphan]:
        """Folders of executors that are gone, each locked by us while it is handled."""
        for folder in sorted(self._spool_dir.iterdir()):
            if folder == self.folder or folder.name == QUARANTINE or not folder.is_dir():
                continue
            with contextlib.suppress(OSError):
                lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield Orphan(folder, self._spool_dir / QUARANTINE)
                finally:
                    os.close(lock)


@dataclass(frozen=True, slots=True)
class Orphan:
    """The folder of an executor that is gone."""

    folder: Path
    quarantine: Path

    def frames(self) -> list[bytes]:
        """All intact endings; damaged bytes are moved to quarantine first."""
        frames: list[bytes] = []
        for segment in sorted(self.folder.glob("*.journal"), key=lambda path: int(path.stem)):
            contents = read_records(segment.read_bytes())
            frames += contents.frames
            if contents.damaged:
                self._put_aside(segment.name, contents.damaged)
        return frames

    @property
    def damaged(self) -> list[Path]:
        """What of this folder stands in quarantine."""
        return sorted(self.quarantine.glob(f"{self.folder.name}.*"))

    def _put_aside(self, name: str, raw: bytes) -> None:
        self.quarantine.mkdir(exist_ok=True, mode=0o700)
        target = self.quarantine / f"{self.folder.name}.{name}"
        with target.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Every ending was accepted: the folder goes."""
        shutil.rmtree(self.folder, ignore_errors=True)
