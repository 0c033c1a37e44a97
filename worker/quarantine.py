"""Bytes of a spool that nobody can deliver: kept for a person, in a folder that is bounded.

To have an intact but refused ending tried again (its access token is back, say), put its file into a
folder of its own beside the others, as `<spool dir>/again/1.journal`: the next look adopts it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from baton import telemetry

from .journal import write_whole

LIMIT_BYTES = 64 * 1024 * 1024


class Quarantine:
    """The folder `quarantine` of a spool directory."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes

    def put(self, name: str, raw: bytes, reason: str) -> None:
        """Keep these bytes, and say so. The same name again replaces the file."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        write_whole(self._folder / name, raw)
        telemetry.warning("spool.quarantined", file=name, bytes=len(raw), reason=reason)
        self._make_room()

    def files(self) -> list[Path]:
        """What is there, oldest first."""
        if not self._folder.is_dir():
            return []
        return sorted(self._folder.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _make_room(self) -> None:
        files = self.files()
        size = sum(path.stat().st_size for path in files)
        for path in files[:-1]:  # what was put last stays, whatever its size
            if size <= self._limit_bytes:
                return
            size -= path.stat().st_size
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            telemetry.warning("spool.quarantine_full", removed=path.name, limit_bytes=self._limit_bytes)
