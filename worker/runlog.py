"""The file of one run: where it is, and how it is written.

`<log dir>/<yyyy-MM-dd of the trigger time, UTC>/<log id>.log`; the path is made of numbers only.

A file has several writers: the child that runs the handler, processes that the handler forked, and
the executor's main process, which says why a child was killed. Each appends whole lines, one write
each. What a run says fills the file up to its cap less a small reserve; then a mark says so, and the
rest is dropped. The reserve is for the executor's own words, so that how a run ended is always there.
How full a file is, is asked of the file: no two writers can hold different opinions about it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CAP_BYTES = 10 * 1024 * 1024
LEAST_CAP_BYTES = 64 * 1024
RESERVE_BYTES = 16 * 1024
LINE_CAP_CHARS = 64 * 1024
OURS = "baton"
"""The call site of what the executor itself says."""
OUTPUT = "output"
"""The call site of what a process wrote that is not the handler's own Python code."""
_REMARK_CAP_CHARS = 4 * 1024
"""Of the executor's own words once a file is full: several must fit into the reserve."""
_CUT = " …[line cut: it had {:,} characters]"
_TRUNCATED = "…[log truncated: it may have {:,} bytes, BATON_LOG_CAP_BYTES]{}\n"
_LONG_LINE_BYTES = 200
"""The beginning of a line that long is worth showing when there is no room for all of it."""
_LOST = "\n…[{:,} bytes of this log were lost: {}]\n"


def path_of(log_dir: Path, log_date_time: int, log_id: int) -> Path:
    """The file of a run; `log_date_time` in epoch milliseconds."""
    return log_dir / day_of(log_date_time) / f"{int(log_id)}.log"


def day_of(log_date_time: int) -> str:
    """The folder of a run: the UTC day of its trigger time, as `2026-01-31`."""
    return time.strftime("%Y-%m-%d", time.gmtime(log_date_time / 1000))


class RunLog:
    """Writes the file of one run. Every line reaches the file at once: a person may be watching.

    Nothing here raises after the file is open: a full or missing disk must not fail the run. While it
    is open, the file carries a shared flock, by which `retention` knows that it is in use.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path
        self.descriptor = _open(path)
        self.cap_bytes = cap_bytes
        self._body_bytes = cap_bytes - RESERVE_BYTES
        self._lost_bytes = 0
        self._lost_why = ""
        # a file that is over its body already (the run's attempt before this one) has its mark
        self._is_full = self._size() > self._body_bytes
        with contextlib.suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    @property
    def is_open(self) -> bool:
        """Whether lines still go anywhere."""
        return self.descriptor >= 0

    @property
    def is_full(self) -> bool:
        """Whether what the run says is dropped: its log has reached its cap."""
        return self._is_full

    def line(self, text: str, level: str, site: str) -> None:
        """Add what the run says, with time, level and call site; a line of over 64 Ki characters is cut."""
        self.lines([text], level, site)

    def lines(self, texts: Iterable[str], level: str, site: str) -> None:
        """Add several lines that were said at once."""
        if self._is_full:
            return
        added = b"".join(_line(text, level, site) for text in texts)
        room = self._body_bytes - self._size()
        if len(added) > room:
            self._is_full = True
            if room < 0:
                return  # another writer was here first, and marked it
            added = self._cut(added, room)
        self._write(added)

    def _cut(self, added: bytes, room: int) -> bytes:
        """What there is room for, and the mark. The file is longer than its body then: others see that."""
        whole_lines = added.rfind(b"\n", 0, room) + 1
        cut = room if room - whole_lines > _LONG_LINE_BYTES else whole_lines
        end = b"" if cut == whole_lines else b"\n"
        return added[:cut] + end + _TRUNCATED.format(self.cap_bytes, " " * (room - cut)).encode()

    def remark(self, text: str, level: str = "INFO") -> None:
        """Add what the executor says of the run: it has room when the run has used up its own."""
        if not self._is_full:
            self.line(text, level, OURS)
            if not self._is_full:
                return
        if len(text) > _REMARK_CAP_CHARS:
            text = text[:_REMARK_CAP_CHARS] + _CUT.format(len(text))
        line = _line(text, level, OURS)
        if self._size() + len(line) <= self.cap_bytes:
            self._write(line)

    def close(self) -> None:
        """Close the file; lines that come later go nowhere."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _size(self) -> int:
        try:
            return os.lseek(self.descriptor, 0, os.SEEK_END)
        except OSError:
            return 0

    def _write(self, added: bytes) -> None:
        lost = _LOST.format(self._lost_bytes, self._lost_why).encode() if self._lost_bytes else b""
        try:
            written = os.write(self.descriptor, lost + added)
        except OSError as problem:
            self._lost_bytes += len(added)
            self._lost_why = problem.strerror or errno.errorcode.get(problem.errno or 0, "unknown error")
        else:
            self._lost_bytes = len(lost) + len(added) - written


@dataclass(frozen=True, slots=True)
class LogFolder:
    """Where the run logs of an executor are, and how long each may become."""

    path: Path
    cap_bytes: int = CAP_BYTES

    def of(self, log_date_time: int, log_id: int) -> Path:
        """The file of a run; `log_date_time` in epoch milliseconds."""
        return path_of(self.path, log_date_time, log_id)

    def open(self, log_date_time: int, log_id: int) -> RunLog:
        """Begin to write the file of a run, or go on with it."""
        return RunLog(self.of(log_date_time, log_id), self.cap_bytes)

    def append(
        self, log_date_time: int, log_id: int, *remarks: str, level: str = "INFO", output: bytes = b""
    ) -> bool:
        """Add what the executor says of a run that nobody else writes for; see `append`."""
        path = self.of(log_date_time, log_id)
        return append(path, *remarks, level=level, cap_bytes=self.cap_bytes, output=output)


def append(
    path: Path, *remarks: str, level: str = "INFO", cap_bytes: int = CAP_BYTES, output: bytes = b""
) -> bool:
    """Add lines to the file of a run from outside: why it was killed, and what that took.

    Before them comes `output`, what its processes wrote last. Safe in every state of the file: at its
    cap, deleted with its folder, on a full disk. Answers whether the file could be opened.
    """
    with opened(path, cap_bytes) as log:
        if log is None:
            return False
        if output:
            log.lines(lines_of(output), "INFO", OUTPUT)
        for remark in remarks:
            log.remark(remark, level)
        return True


def lines_of(output: bytes) -> list[str]:
    """The lines that a process wrote, as text: bytes that are no UTF-8 become escapes."""
    text = output.decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")


@contextlib.contextmanager
def opened(path: Path, cap_bytes: int = CAP_BYTES) -> Iterator[RunLog | None]:
    """The log at `path`, for some lines; None when it cannot be opened."""
    try:
        log = RunLog(path, cap_bytes)
    except OSError:
        yield None
        return
    try:
        yield log
    finally:
        log.close()


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o640)


def _line(text: str, level: str, site: str) -> bytes:
    if len(text) > LINE_CAP_CHARS:
        text = text[:LINE_CAP_CHARS] + _CUT.format(len(text))
    now_ms = time.time_ns() // 1_000_000
    stamp = f"{_second(now_ms // 1000)}.{now_ms % 1000:03d}"
    return f"{stamp} {level} [{site}] {text}\n".encode("utf-8", "backslashreplace")


@lru_cache(maxsize=2)
def _second(epoch_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(epoch_s))
