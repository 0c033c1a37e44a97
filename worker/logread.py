"""Reads run logs for those who ask: by byte from either side, or by line number (XXL-JOB's way).

By byte nothing is read but the piece. Line numbers are counted once per file, a bounded part with
each request, and remembered for some lines (`LineIndex`); where a piece lies beyond what was counted,
its line number is 0: not known.
"""

from __future__ import annotations

import contextlib
import os
import stat
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from baton.broker.mailbox import LogAnswer, LogRequest, answer_by_byte
from baton.logfile import PIECE_BYTES, Piece, ReadAt, piece_from

from .runlog import day_of

MISSING = "readLog fail, logFile not exists"
NOTHING_YET = "The run has no log so far."
_CUT = " …[the rest of this line is left out]\n"
_SCAN_BYTES = 64 * 1024 * 1024
"""How much is counted for one request by line number."""
_ASIDE_BYTES = 4 * 1024 * 1024
"""How much is counted for one request by byte, only to be able to say a line number."""
_CHUNK_BYTES = 64 * 1024
_FILES_KNOWN = 64


class LogReader:
    """Answers requests for pieces of the logs below one folder."""

    def __init__(
        self,
        log_dir: Path,
        *,
        piece_bytes: int = PIECE_BYTES,
        scan_bytes: int = _SCAN_BYTES,
        aside_bytes: int = _ASIDE_BYTES,
    ) -> None:
        self._log_dir = log_dir
        self._piece_bytes = piece_bytes
        self._scan_bytes = scan_bytes
        self._aside_bytes = aside_bytes
        self._indexes: OrderedDict[tuple[int, int], LineIndex] = OrderedDict()

    def answer(self, request: LogRequest, *, is_growing: bool) -> LogAnswer:
        """The piece that is asked for. `is_growing`: the run has not ended, more may come."""
        try:
            with _open(self._log_dir, request) as file:
                index = self._index_of(file)
                if request.is_by_byte:
                    return self._by_byte(request, file, index, is_growing=is_growing)
                return self._by_line(request, file, index, is_growing=is_growing)
        except (OSError, ValueError, OverflowError):
            return _nothing(request, NOTHING_YET if is_growing else MISSING, is_end=not is_growing)

    def size(self, request: LogRequest) -> int:
        """How long the log is now; 0 if there is none."""
        with contextlib.suppress(OSError, ValueError, OverflowError), _open(self._log_dir, request) as file:
            return file.size
        return 0

    def _by_byte(
        self, request: LogRequest, file: LogFile, index: LineIndex, *, is_growing: bool
    ) -> LogAnswer:
        answer = answer_by_byte(
            request, file.read_at, file.size, is_growing=is_growing, piece_bytes=self._piece_bytes
        )
        line = 0 if request.needle else index.line_at(file.read_at, answer.from_byte, self._aside_bytes)
        if not line:
            return answer
        lines = answer.content.count("\n") + (answer.content[-1:] not in ("\n", ""))
        return replace(answer, from_line=line, to_line=line + lines - 1)

    def _by_line(
        self, request: LogRequest, file: LogFile, index: LineIndex, *, is_growing: bool
    ) -> LogAnswer:
        line = max(request.from_line, 1)
        start = index.byte_of(file.read_at, line, self._scan_bytes)
        if start is None:
            if index.byte < file.size:
                said = f"line {line} is not reached yet, {index.line - 1} are counted; ask again"
                return _nothing(request, said, is_end=False)
            return _nothing(request, "", is_end=not is_growing)
        piece = piece_from(
            file.read_at, start, file.size, is_growing=is_growing, piece_bytes=self._piece_bytes
        )
        is_cut = piece.to_byte < file.size and bool(piece.raw) and not piece.raw.endswith(b"\n")
        to_line = line + _lines_in(piece) - 1
        if not is_cut:
            index.next_wanted = (to_line + 1, piece.to_byte)
        return LogAnswer(
            from_line=request.from_line,
            to_line=to_line,
            content=piece.text + (_CUT if is_cut else ""),
            is_end=not is_growing and piece.to_byte == file.size,
            log_id=request.log_id,
            from_byte=piece.from_byte,
            to_byte=piece.to_byte,
            size=file.size,
        )

    def _index_of(self, file: LogFile) -> LineIndex:
        index = self._indexes.pop(file.identity, None)
        if index is None or index.byte > file.size:  # new, or written anew
            index = LineIndex()
        self._indexes[file.identity] = index
        while len(self._indexes) > _FILES_KNOWN:
            self._indexes.popitem(last=False)
        return index


@dataclass(slots=True)
class LineIndex:
    """Where some lines of one file begin, at most `most` of them, evenly spread."""

    most: int = 1024
    spacing_bytes: int = 64 * 1024
    """The least distance between two of them; it doubles when there are too many."""
    line: int = 1
    """Of `byte`: one more than the line ends before it."""
    byte: int = 0
    """Up to here the lines are counted."""
    next_wanted: tuple[int, int] = (1, 0)
    """A line and its byte: who reads on asks for it next."""
    _lines: list[int] = field(default_factory=lambda: [1])
    _bytes: list[int] = field(default_factory=lambda: [0])

    def byte_of(self, read_at: ReadAt, line: int, scan_bytes: int) -> int | None:
        """Where `line` begins; None when it is not there, or not counted yet."""
        if line > self.line:
            self._count_on(read_at, scan_bytes, until_line=line)
        if line > self.line:
            return None
        if line == self.next_wanted[0]:
            return self.next_wanted[1]
        at = bisect_right(self._lines, line) - 1
        byte, left = self._bytes[at], line - self._lines[at]
        while left:
            chunk = read_at(byte, _CHUNK_BYTES)
            ends = chunk.count(b"\n")
            if not chunk:
                return None
            if ends < left:
                left, byte = left - ends, byte + len(chunk)
                continue
            found = -1
            for _ in range(left):
                found = chunk.index(b"\n", found + 1)
            return byte + found + 1
        return byte

    def line_at(self, read_at: ReadAt, byte: int, scan_bytes: int) -> int:
        """The number of the line that `byte` is in; 0 when it is not counted yet."""
        if byte > self.byte:
            self._count_on(read_at, min(scan_bytes, byte - self.byte))
        if byte > self.byte:
            return 0
        at = bisect_right(self._bytes, byte) - 1
        line, known = self._lines[at], self._bytes[at]
        while known < byte:
            chunk = read_at(known, min(_CHUNK_BYTES, byte - known))
            if not chunk:
                return 0
            line, known = line + chunk.count(b"\n"), known + len(chunk)
        return line

    def _count_on(self, read_at: ReadAt, scan_bytes: int, until_line: int = 0) -> None:
        stop = self.byte + scan_bytes
        while self.byte < stop and (not until_line or self.line < until_line):
            chunk = read_at(self.byte, min(_CHUNK_BYTES, stop - self.byte))
            if not chunk:
                return
            ends = chunk.count(b"\n")
            if ends:
                self._remember(self.line + ends, self.byte + chunk.rfind(b"\n") + 1)
            self.line, self.byte = self.line + ends, self.byte + len(chunk)

    def _remember(self, line: int, byte: int) -> None:
        if byte - self._bytes[-1] < self.spacing_bytes:
            return
        self._lines.append(line)
        self._bytes.append(byte)
        if len(self._lines) > self.most:
            del self._lines[1::2], self._bytes[1::2]
            self.spacing_bytes *= 2


@dataclass(frozen=True, slots=True)
class LogFile:
    """An open log."""

    descriptor: int
    size: int
    identity: tuple[int, int]

    def read_at(self, byte: int, length: int) -> bytes:
        """What is there, shorter at the end."""
        return os.pread(self.descriptor, length, byte)


@contextlib.contextmanager
def _open(log_dir: Path, request: LogRequest) -> Iterator[LogFile]:
    """The log of a run. No step of its path may be a link: what is read lies below `log_dir`."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    root = folder = file = -1
    try:
        root = os.open(log_dir, flags | os.O_DIRECTORY)
        folder = os.open(day_of(request.log_date_time), flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        file = os.open(f"{int(request.log_id)}.log", flags | os.O_NOFOLLOW, dir_fd=folder)
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise FileNotFoundError(request.log_id)
        yield LogFile(file, facts.st_size, (facts.st_dev, facts.st_ino))
    finally:
        for descriptor in (file, folder, root):
            if descriptor >= 0:
                os.close(descriptor)


def _lines_in(piece: Piece) -> int:
    return piece.raw.count(b"\n") + (1 if piece.raw and not piece.raw.endswith(b"\n") else 0)


def _nothing(request: LogRequest, message: str, *, is_end: bool) -> LogAnswer:
    return LogAnswer(
        from_line=request.from_line,
        to_line=request.from_line - 1,
        content="",
        is_end=is_end,
        message=message,
        log_id=request.log_id,
        from_byte=max(request.from_byte, 0),
        to_byte=max(request.from_byte, 0),
    )
