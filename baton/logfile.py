"""A piece of a log, wherever the log lies: by byte, in whole lines, safe to show.

Who asks for a piece names a byte, so a log of any size opens at its end at once. A piece is whole
lines where it can be; a line that is longer than a piece comes in several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PIECE_BYTES = 128 * 1024
END = 2**62
"""A byte after the end of every log."""

ReadAt = Callable[[int, int], bytes]
"""(byte, length) -> what is there; shorter at the end."""

_LONGEST_CHARACTER = 4
_CHUNK_BYTES = 1024 * 1024
_BEFORE_BYTES = 100
_AROUND_BYTES = 500
"""Of a line with a text that was looked for."""
# controls, so also the escape sequences of terminals; then text that reorders or hides other text
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a log."""

    from_byte: int
    raw: bytes

    @property
    def to_byte(self) -> int:
        """Where the next piece begins."""
        return self.from_byte + len(self.raw)

    @property
    def text(self) -> str:
        """What a person may see of it."""
        return visible(self.raw)


def piece_from(
    read_at: ReadAt, at: int, size: int, *, is_growing: bool, piece_bytes: int = PIECE_BYTES
) -> Piece:
    """The lines from byte `at` on. While the log grows, its unfinished last line is left for later."""
    start = min(max(at, 0), size)
    raw = read_at(start, min(piece_bytes, size - start))
    has_more = start + len(raw) < size
    if has_more or is_growing:
        raw = raw[: raw.rfind(b"\n") + 1] or (_whole_characters(raw) if len(raw) >= piece_bytes else b"")
    return Piece(start, raw)


def piece_before(
    read_at: ReadAt, at: int, size: int, *, is_growing: bool, piece_bytes: int = PIECE_BYTES
) -> Piece:
    """The lines that end at byte `at`; with `END` the last ones of the log."""
    end = min(max(at, 0), size)
    start = max(0, end - piece_bytes - 1)  # one byte more: it tells whether the next one begins a line
    raw = read_at(start, end - start)
    if is_growing and end == size:
        raw = raw[: raw.rfind(b"\n") + 1] or (raw if start else b"")
    if start:
        first_line = raw.find(b"\n", 0, len(raw) - 1) + 1
        cut = first_line or _broken_character(raw)
        start, raw = start + cut, raw[cut:]
    return Piece(start, raw)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a text occurs in a log, as far as it was looked for."""

    places: tuple[Piece, ...]
    """One for each line that has it, cut to what surrounds it if the line is long."""
    to_byte: int
    """The search ended here; it may go on from here."""


def find(
    read_at: ReadAt, text: str, at: int, size: int, *, most: int = 100, scan_bytes: int = 32 * 1024 * 1024
) -> Found:
    """Look for `text` from byte `at` on, in capitals or not; within bounds, so in parts."""
    wanted = text.encode().lower()
    places: list[Piece] = []
    stop = min(size, at + scan_bytes)
    while at < stop and wanted and len(places) < most:
        chunk = read_at(at, min(_CHUNK_BYTES, size - at))
        if not chunk:
            break
        end = len(chunk)
        if at + end < size:  # whole lines; of a line longer than that, no match is cut in two
            end = chunk.rfind(b"\n") + 1 or len(chunk) - len(wanted) + 1
        for begin, until in _lines_with(wanted, chunk[: end + len(wanted) - 1]):
            places.append(Piece(at + begin, chunk[begin:until]))
            if len(places) == most:
                end = min(until + 1, end)
                break
        at += end
    return Found(tuple(places), min(at, size))


def _lines_with(wanted: bytes, chunk: bytes) -> Iterator[tuple[int, int]]:
    lowered, at = chunk.lower(), 0
    while (found := lowered.find(wanted, at)) >= 0:
        line = chunk.rfind(b"\n", 0, found) + 1
        end = chunk.find(b"\n", found)
        end = len(chunk) if end < 0 else end
        begin = max(line, found - _BEFORE_BYTES)
        yield begin, min(end, begin + _AROUND_BYTES)
        at = end + 1


def visible(raw: bytes) -> str:
    """Text without tricks: bytes that are no UTF-8, control characters (also those that terminals obey)
    and characters that turn the order of others around are shown as escapes. Line ends and tabs stay.
    """
    text = raw.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _whole_characters(raw: bytes) -> bytes:
    """Without a character at the end that is cut in two."""
    for length in range(1, _LONGEST_CHARACTER):
        byte = raw[-length]
        if byte >= 0xC0:  # the first of several
            wanted = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return raw[:-length] if wanted > length else raw
        if byte < 0x80:
            break
    return raw


def _broken_character(raw: bytes) -> int:
    """How many bytes at the beginning belong to a character that began before."""
    count = 0
    while count < min(_LONGEST_CHARACTER - 1, len(raw)) and 0x80 <= raw[count] < 0xC0:
        count += 1
    return count
