"""The file of one run: where it is, how it is written, how it is read by line number.

`<log dir>/<yyyy-MM-dd of the trigger time, UTC>/<log id>.log`; the path is made of numbers only.
A file ends growing at its cap; a mark says so.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CAP_BYTES = 10 * 1024 * 1024
LINE_CAP_CHARS = 64 * 1024
MISSING = "readLog fail, logFile not exists"
_CUT = " …[line cut: it had {:,} characters]"
_TRUNCATED = "…[log truncated at {:,} bytes]\n"


def path_of(log_dir: Path, log_date_time: int, log_id: int) -> Path:
    """The file of a run; `log_date_time` in epoch milliseconds."""
    day = time.strftime("%Y-%m-%d", time.gmtime(log_date_time / 1000))
    return log_dir / day / f"{int(log_id)}.log"


class RunLog:
    """Writes the file of one run. Every write reaches the file at once: a person may be watching."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self.descriptor = os.open(path, flags, 0o640)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(path, flags, 0o640)
        self._left = CAP_BYTES

    def line(self, text: str, level: str, site: str) -> None:
        """Add one line with time, level and call site; a line of over 64 Ki characters is cut."""
        if self._left <= 0:
            return
        if len(text) > LINE_CAP_CHARS:
            text = text[:LINE_CAP_CHARS] + _CUT.format(len(text))
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        millis = int(now % 1 * 1000)
        line = f"{stamp}.{millis:03d} {level} [{site}] {text}\n".encode("utf-8", "backslashreplace")
        self._left -= len(line)
        if self._left <= 0:
            line = _TRUNCATED.format(CAP_BYTES).encode()
        try:
            os.write(self.descriptor, line)
        except OSError:
            # a full or missing disk must not fail the run; what is lost is the log's own text
            self._left = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Some lines of a run log (XXL-JOB's LogResult)."""

    from_line: int
    to_line: int
    content: str
    is_end: bool
    message: str = ""


class LogReader:
    """Reads run logs by line number; remembers byte offsets, so that a follower never reads twice."""

    def __init__(self, log_dir: Path, *, piece_bytes: int = 128 * 1024) -> None:
        self._log_dir = log_dir
        self._piece_bytes = piece_bytes
        self._offsets: dict[tuple[int, int], tuple[int, int]] = {}

    def read(self, log_date_time: int, log_id: int, from_line: int, *, has_ended: bool) -> LogPiece:
        """The lines from `from_line` (1 is the first) on, up to 128 KiB of them."""
        path = path_of(self._log_dir, log_date_time, log_id)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return LogPiece(from_line, from_line - 1, "", is_end=True, message=MISSING)
        key, line = (log_date_time, log_id), max(from_line, 1)
        with os.fdopen(descriptor, "rb") as file:
            start = self._seek(file, key, line)
            raw = file.read(self._piece_bytes)
        at_end = len(raw) < self._piece_bytes
        if not (at_end and has_ended):
            # a line that is still being written belongs to the next piece
            raw = raw[: raw.rfind(b"\n") + 1] or (b"" if at_end else raw)
        lines = raw.count(b"\n") + (1 if raw and not raw.endswith(b"\n") else 0)
        self._remember(key, line + lines, start + len(raw))
        text = raw.decode("utf-8", "replace")
        return LogPiece(from_line, line + lines - 1, text, is_end=at_end and has_ended)

    def _seek(self, file: BinaryIO, key: tuple[int, int], line: int) -> int:
        """Move to the beginning of `line`; answers its byte offset."""
        known_line, offset = self._offsets.get(key, (1, 0))
        if known_line > line:
            known_line, offset = 1, 0
        file.seek(offset)
        while known_line < line and file.readline():
            known_line += 1
        return file.tell()

    def _remember(self, key: tuple[int, int], line: int, offset: int) -> None:
        if len(self._offsets) > 256:
            self._offsets.pop(next(iter(self._offsets)))
        self._offsets[key] = (line, offset)
