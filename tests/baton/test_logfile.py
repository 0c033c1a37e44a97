"""Pieces of a log: whole lines from either side, huge lines in parts, and nothing that plays tricks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton import logfile
from baton.logfile import END, Piece, find, piece_before, piece_from, visible


def reader(content: bytes):
    return lambda byte, length: content[byte : byte + length]


def forward(content: bytes, piece_bytes: int, *, is_growing: bool = False) -> list[Piece]:
    pieces, at = [], 0
    while True:
        piece = piece_from(reader(content), at, len(content), is_growing=is_growing, piece_bytes=piece_bytes)
        if not piece.raw:
            return pieces
        pieces.append(piece)
        at = piece.to_byte


def backward(content: bytes, piece_bytes: int) -> list[Piece]:
    pieces, at = [], END
    while at > 0:
        piece = piece_before(reader(content), at, len(content), is_growing=False, piece_bytes=piece_bytes)
        if not piece.raw:
            break
        pieces.append(piece)
        at = piece.from_byte
    return pieces[::-1]


contents = st.lists(st.sampled_from([b"a", b"\n", "ä".encode(), "😀".encode(), b"\xff", b"\x80"])).map(
    b"".join
)


@given(contents, st.integers(8, 40))
def test_pieces_from_either_side_put_together_are_the_log(content, piece_bytes):
    assert b"".join(piece.raw for piece in forward(content, piece_bytes)) == content
    assert b"".join(piece.raw for piece in backward(content, piece_bytes)) == content


@given(st.text(st.sampled_from("aä😀\n")), st.integers(8, 40))
def test_no_character_is_cut_in_two(text, piece_bytes):
    for pieces in (forward(text.encode(), piece_bytes), backward(text.encode(), piece_bytes)):
        assert "".join(piece.text for piece in pieces) == text


def test_the_lines_before_the_end_are_whole_and_the_pieces_before_them_join():
    content = b"".join(b"line %d\n" % n for n in range(100))

    last = piece_before(reader(content), END, len(content), is_growing=False, piece_bytes=30)
    before = piece_before(reader(content), last.from_byte, len(content), is_growing=False, piece_bytes=30)

    assert last.text == "line 97\nline 98\nline 99\n"
    assert before.text == "line 94\nline 95\nline 96\n"


def test_the_unfinished_last_line_of_a_growing_log_waits():
    content = b"one\ntwo\nthr"

    growing = piece_from(reader(content), 0, len(content), is_growing=True)
    last = piece_before(reader(content), END, len(content), is_growing=True)
    ended = piece_from(reader(content), 0, len(content), is_growing=False)

    assert growing.text == last.text == "one\ntwo\n"
    assert ended.text == "one\ntwo\nthr"


@pytest.mark.parametrize("start", [-5, 0, 10**9, END])
def test_a_place_outside_the_log_is_its_nearest_end(start):
    assert piece_from(reader(b"one\n"), start, 4, is_growing=False).raw in {b"one\n", b""}
    assert piece_before(reader(b"one\n"), start, 4, is_growing=False).raw in {b"one\n", b""}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"tab\tand line\r\n", "tab\tand line\n"),
        ("Grüße, 世界 😀".encode(), "Grüße, 世界 😀"),
        (b"broken \xff\xc3", "broken \\xff\\xc3"),
        (b"nul \x00", "nul \\x00"),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07", "\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07"),
        (b"50 %\r100 %", "50 %\\x0d100 %"),
        ("user\u202etxt.exe\u2069\u200f".encode(), "user\\u202etxt.exe\\u2069\\u200f"),
        ("\x85 \x9b31m \u2028".encode(), "\\x85 \\x9b31m \\u2028"),
        ("\U000e0041".encode(), "\\U000e0041"),
    ],
)
def test_what_could_deceive_a_reader_is_shown_as_an_escape(raw, shown):
    assert visible(raw) == shown


@given(st.binary())
def test_whatever_bytes_there_are_only_line_ends_and_tabs_are_left_as_controls(raw):
    assert all(c in "\n\t" or ord(c) >= 0x20 for c in visible(raw))


LINES = b"".join(b"line %d\n" % n for n in range(1, 10_001))


@pytest.mark.parametrize("chunk_bytes", [100, 1000, 10**6])
def test_a_text_is_found_in_every_line_that_has_it_in_capitals_or_not(monkeypatch, chunk_bytes):
    monkeypatch.setattr(logfile, "_CHUNK_BYTES", chunk_bytes)
    found = find(reader(LINES), "LINE 99", 0, len(LINES), most=1000)

    assert [place.text for place in found.places] == [
        f"line {n}" for n in range(1, 10_001) if str(n).startswith("99")
    ]
    assert all(LINES[place.from_byte :].startswith(place.raw) for place in found.places)
    assert found.to_byte == len(LINES)


def test_a_search_stops_at_its_bounds_and_goes_on_from_there():
    few = find(reader(LINES), "99", 0, len(LINES), most=2)
    rest = find(reader(LINES), "99", few.to_byte, len(LINES), most=2)
    bounded = find(reader(LINES), "line 10000", 0, len(LINES), scan_bytes=10)

    assert [place.text for place in (*few.places, *rest.places)] == [
        "line 99", "line 199", "line 299", "line 399",
    ]  # fmt: skip
    assert bounded.places == find(reader(LINES), "line 10000", 0, bounded.to_byte).places


@pytest.mark.parametrize("at", range(900, 1100, 7))
def test_a_text_in_a_line_without_end_is_found_wherever_it_is(monkeypatch, at):
    monkeypatch.setattr(logfile, "_CHUNK_BYTES", 1000)
    content = b"x" * at + b"needle" + b"y" * 3000

    found = find(reader(content), "needle", 0, len(content))

    assert any("needle" in place.text and len(place.raw) <= 500 for place in found.places)


def test_nothing_is_found_where_nothing_is_looked_for():
    assert find(reader(LINES), "", 0, len(LINES)).places == ()
    assert find(reader(LINES), "nowhere", 0, len(LINES)).places == ()
