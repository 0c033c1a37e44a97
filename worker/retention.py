"""Keeps run logs from filling the disk: what is too old goes, then the oldest while there is too much.

Several executors may share a folder. A log that somebody still writes is never removed: who writes
one holds a shared lock on it (`runlog.py`), and who removes one takes the lock from everybody first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from baton import telemetry

_INTERVAL_S = 60.0
_SHARE_OF_TIME = 100
"""A look may take this part of the time at most: large folders are looked at less often."""
_LEAVE_OF_CAP = 0.9
"""What is left once the cap was exceeded, so that not every look has something to remove."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class _Log:
    modified_ns: int
    bytes: int
    path: Path


class LogRetention:
    """Removes run logs by age and by the room they take.

    `is_waiting`: whether a log is still to be archived. It stays in spite of its age, but not when the
    disk needs the room.
    """

    def __init__(
        self,
        log_dir: Path,
        days: int,
        cap_bytes: int,
        is_waiting: Callable[[Path], bool] = lambda _path: False,
    ) -> None:
        self._is_waiting = is_waiting
        self._log_dir = log_dir
        self._days = days
        self._cap_bytes = cap_bytes
        self._sizes: dict[Path, tuple[int, int]] = {}
        """Folder -> when it was changed last, and the room its logs take."""

    def step(self) -> float:
        """Look once."""
        began_s = time.monotonic()
        oldest = time.strftime("%Y-%m-%d", time.gmtime(time.time() - self._days * 86_400))
        for folder in self._folders():
            if folder.name < oldest:
                self._clear(folder)
        if self._cap_bytes:
            self._make_room()
        return max(_INTERVAL_S, _SHARE_OF_TIME * (time.monotonic() - began_s))

    def _folders(self) -> list[Path]:
        """The day folders, oldest first."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._log_dir) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if _DAY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
        return []

    def _clear(self, folder: Path) -> None:
        """Remove a whole day, but for what is still written or waited for."""
        with contextlib.suppress(OSError):
            kept = [log for log in _logs(folder) if self._is_waiting(log.path) or not _remove(log.path)]
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _make_room(self) -> None:
        folders = self._folders()
        total = sum(self._size(folder) for folder in folders)
        if total <= self._cap_bytes:
            return
        wanted = total - int(self._cap_bytes * _LEAVE_OF_CAP)
        files = removed = 0
        for folder in folders:
            for log in sorted(_logs(folder), key=lambda log: log.modified_ns):
                if removed >= wanted:
                    break
                if _remove(log.path):
                    files, removed = files + 1, removed + log.bytes
            with contextlib.suppress(OSError):
                folder.rmdir()
        telemetry.warning("retention.cap", files=files, bytes=removed, cap=self._cap_bytes)

    def _size(self, folder: Path) -> int:
        """The room its logs take; counted anew when files came or went, or some may still grow."""
        changed_ns = folder.stat().st_mtime_ns if folder.exists() else 0
        known = self._sizes.get(folder)
        is_old = time.time_ns() - changed_ns > 86_400 * 10**9
        if known is None or known[0] != changed_ns or not is_old:
            known = (changed_ns, sum(log.bytes for log in _logs(folder)))
            self._sizes[folder] = known
        return known[1]


def _logs(folder: Path) -> Iterator[_Log]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                facts = entry.stat(follow_symlinks=False)
                yield _Log(facts.st_mtime_ns, facts.st_blocks * 512, Path(entry.path))


def _remove(path: Path) -> bool:
    """Remove a log; False if somebody writes it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a link, or gone: nobody writes that
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        with contextlib.suppress(OSError):
            path.unlink()
    return True
