"""Adopts what executors that are gone left in the spool directory they share with this one.

A folder whose lock is free belongs to nobody. Its endings are written into a segment of our own
before they leave it, so a crash delivers them twice at worst, which changes nothing. What is
damaged, or not signed for the group it names, goes to quarantine. Endings of groups that this
executor does not serve stay where they are, for one that does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from baton import telemetry
from baton.envelope import peek, unseal
from baton.errors import MessageError
from baton.messages import HandleCallbackParam

from .journal import joined, read_records, write_whole
from .quarantine import Quarantine
from .spool import BYTES_PER_SEGMENT, LOCK, QUARANTINE, UNBORN, Spool

_UNBORN_FOR_S = 60.0
"""A folder that did not get its name for so long lost its process at birth."""


@dataclass(slots=True)
class _Sorted:
    """The intact endings of one segment, by what becomes of them."""

    ours: list[bytes] = field(default_factory=list)
    of_others: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Orphans:
    """The folders beside our own."""

    def __init__(self, spool: Spool, keys: Mapping[str, bytes]) -> None:
        self._spool = spool
        self._keys = keys
        self.quarantine = Quarantine(spool.spool_dir / QUARANTINE)

    def adopt(self) -> int:
        """Take over every ending we can deliver, the oldest folder first; answers how many there were."""
        return sum(self._adopt(folder) for folder in self._free_folders())

    def _free_folders(self) -> Iterator[Path]:
        """Each locked by us while it is handled."""
        folders = [
            path for path in self._spool.spool_dir.iterdir() if path.is_dir() and path.name != QUARANTINE
        ]
        for folder in sorted(folders, key=_age_order):
            if folder == self._spool.folder or _is_being_born(folder):
                continue
            with contextlib.suppress(OSError), _locked(folder):
                yield folder

    def _adopt(self, folder: Path) -> int:
        adopted = 0
        segments = sorted(folder.glob("*.journal"), key=_number)
        for paths in _together(segments):
            adopted += self._adopt_segments(paths)
        if not any(path.exists() for path in segments):
            shutil.rmtree(folder, ignore_errors=True)
        if adopted:
            telemetry.event("spool.adopted", runs=adopted, executor=folder.name)
        return adopted

    def _adopt_segments(self, paths: list[Path]) -> int:
        """These segments become one of ours."""
        found = {path: self._sorted(path) for path in paths}
        ours = [frame for each in found.values() for frame in each.ours]
        if ours:
            self._spool.adopt(ours)
        for path, each in found.items():
            if each.of_others:
                write_whole(path, joined(each.of_others))
            else:
                path.unlink()
        return len(ours)

    def _sorted(self, path: Path) -> _Sorted:
        contents = read_records(path.read_bytes())
        found = self._sort(contents.frames)
        name = f"{path.parent.name}.{path.stem}"
        if contents.damaged:
            self.quarantine.put(f"{name}.damaged", contents.damaged, "not a whole record")
        if found.refused:
            self.quarantine.put(f"{name}.journal", joined(found.refused), found.reasons[0])
        return found

    def _sort(self, frames: tuple[bytes, ...]) -> _Sorted:
        found = _Sorted()
        for frame in frames:
            try:
                app_name = str(peek(frame, HandleCallbackParam).get("app_name"))
                if app_name not in self._keys:
                    found.of_others.append(frame)
                    continue
                unseal(frame, HandleCallbackParam, self._keys[app_name])
            except MessageError as problem:
                found.refused.append(frame)
                found.reasons.append(f"{type(problem).__name__}: {problem}")
            else:
                found.ours.append(frame)
        return found


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raises `OSError` if somebody has it."""
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _together(paths: list[Path]) -> Iterator[list[Path]]:
    """In order, as many at once as make a segment: each costs a sync of the disk."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        more = path.stat().st_size
        if batch and size + more > BYTES_PER_SEGMENT:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += more
    if batch:
        yield batch


def _is_being_born(folder: Path) -> bool:
    if not folder.name.startswith(UNBORN):
        return False
    with contextlib.suppress(FileNotFoundError):
        return time.time() - folder.stat().st_mtime < _UNBORN_FOR_S
    return True


def _age_order(folder: Path) -> tuple[int, str]:
    try:
        return folder.stat().st_mtime_ns, folder.name
    except FileNotFoundError:
        return 0, folder.name


def _number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else 0), path.name
