"""A journal segment: endings one after the other, each with its length and its checksum.

A record is

    "BTN1" | length u32 | crc32 u32 | sealed HandleCallbackParam

The child that ran the handler appends its record with one O_APPEND write before it answers its
parent: from then on a kill -9 of child or parent loses nothing. A torn or flipped record costs
itself only: reading goes on at the next intact one.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"BTN1"
_HEADER = struct.Struct(">4sII")
LONGEST_RECORD_BYTES = 2 * 1024 * 1024
OVERHEAD_BYTES = _HEADER.size


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
    if magic != MAGIC or length > LONGEST_RECORD_BYTES:
        return None
    frame = raw[at + _HEADER.size : at + _HEADER.size + length]
    return frame if len(frame) == length and zlib.crc32(frame) == checksum else None


class Journal:
    """Appends records to the segments of one folder, whichever the parent names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segment = -1
        self._descriptor = -1

    def append(self, segment: int, frame: bytes) -> None:
        """Write one record; raises `OSError` if the disk does not take all of it."""
        if segment != self._segment:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._segment = self._descriptor = -1
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(segment_path(self._folder, segment), flags, 0o600)
            self._segment = segment
        raw = record(frame)
        if os.write(self._descriptor, raw) < len(raw):
            # what is torn is skipped when it is read; who asked must know that it is not kept
            raise OSError(errno.ENOSPC, f"the disk took only a part of {len(raw)} bytes")


def segment_path(folder: Path, segment: int) -> Path:
    """The file of one segment."""
    return folder / f"{segment}.journal"


def write_whole(path: Path, raw: bytes) -> None:
    """Make `path` hold `raw`, or what it held before, whatever dies when; it survives the machine."""
    unfinished = path.with_name(path.name + ".new")
    with unfinished.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive the machine."""
    sync_file(folder)


def sync_file(path: Path) -> None:
    """Make the bytes of a file survive the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def joined(frames: Iterable[bytes]) -> bytes:
    """A segment that holds these."""
    return b"".join(map(record, frames))
