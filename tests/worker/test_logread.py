"""Reading logs: by byte without the rest, by line with exact numbers, and never outside the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from baton.broker.mailbox import LogRequest
from baton.logfile import END
from worker import logread
from worker.logread import MISSING, NOTHING_YET, LogReader

DAY_MS = 1_700_000_000_000
ID = 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "2023-11-14"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def reader(folder: Path) -> LogReader:
    return LogReader(folder.parent, piece_bytes=1024)


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read took."""
    counts: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, at: int) -> bytes:
        raw = pread(descriptor, length, at)
        counts.append(len(raw))
        return raw

    monkeypatch.setattr(logread.os, "pread", counted)
    return counts


def by_line(line: int) -> LogRequest:
    return LogRequest(ID, DAY_MS, line)


def after(byte: int) -> LogRequest:
    return LogRequest(ID, DAY_MS, from_byte=byte)


def before(byte: int) -> LogRequest:
    return LogRequest(ID, DAY_MS, before_byte=byte)


def numbered(count: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(1, count + 1))


def test_a_log_of_1_gb_opens_at_its_end_and_goes_back_and_forth(folder, bytes_read):
    reader = LogReader(folder.parent)
    path = folder / f"{ID}.log"
    with path.open("wb") as file:
        file.truncate(2**30)  # a hole: it takes no room on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + numbered(100_000))

    last = reader.answer(before(END), is_growing=False)
    earlier = reader.answer(before(last.from_byte), is_growing=False)
    again = reader.answer(after(earlier.to_byte), is_growing=False)

    assert last.content.endswith("line 99999\nline 100000\n")
    assert last.is_end
    assert earlier.to_byte == last.from_byte
    assert again.content == last.content
    assert (last.from_line, last.size) == (0, path.stat().st_size)
    assert sum(bytes_read) < 16 * 2**20


def test_line_numbers_are_known_as_soon_as_they_are_counted_and_exact(folder, monkeypatch):
    monkeypatch.setattr(logread, "_CHUNK_BYTES", 10_000)
    reader = LogReader(folder.parent, piece_bytes=1024, aside_bytes=100_000)
    (folder / f"{ID}.log").write_bytes(numbered(40_000))
    found = []
    while not found or not found[-1].from_line:
        found.append(reader.answer(before(END), is_growing=False))
        assert len(found) < 10

    first = found[-1].content.splitlines()[0]
    assert len(found) > 2
    assert first == f"line {found[-1].from_line}"
    assert found[-1].to_line == 40_000


@pytest.mark.parametrize("line", [1, 2, 999, 1000, 20_000, 39_999, 40_000])
def test_any_line_is_found_by_its_number(folder, reader, line):
    (folder / f"{ID}.log").write_bytes(numbered(40_000))

    found = reader.answer(by_line(line), is_growing=False)

    assert found.content.splitlines()[0] == f"line {line}"
    assert found.from_line == line
    assert found.to_line == line + found.content.count("\n") - 1


def test_following_by_line_reads_each_byte_about_once(folder, bytes_read):
    reader = LogReader(folder.parent, piece_bytes=8 * 1024)
    content = numbered(40_000)
    (folder / f"{ID}.log").write_bytes(content)
    line, text, is_end = 1, "", False
    while not is_end:
        answer = reader.answer(by_line(line), is_growing=False)
        line, text, is_end = answer.to_line + 1, text + answer.content, answer.is_end

    assert text.encode() == content
    assert sum(bytes_read) < 2.5 * len(content)  # once to count the lines, once to show them


def test_a_line_far_away_is_counted_in_parts_that_each_answer(folder, monkeypatch):
    monkeypatch.setattr(logread, "_CHUNK_BYTES", 1000)
    reader = LogReader(folder.parent, piece_bytes=1024, scan_bytes=100_000)
    (folder / f"{ID}.log").write_bytes(numbered(40_000))

    answers = [reader.answer(by_line(39_990), is_growing=False)]
    while not answers[-1].content:
        answers.append(reader.answer(by_line(39_990), is_growing=False))
        assert len(answers) < 10

    assert "is not reached yet" in answers[0].message
    assert not answers[0].is_end
    assert answers[-1].content.startswith("line 39990\n")


def test_a_line_past_the_end_is_the_end_once_the_run_has_ended(folder, reader):
    (folder / f"{ID}.log").write_bytes(b"one\ntwo\n")

    assert reader.answer(by_line(3), is_growing=True).is_end is False
    ended = reader.answer(by_line(3), is_growing=False)
    assert (ended.content, ended.is_end, ended.from_line, ended.to_line) == ("", True, 3, 2)


def test_the_index_of_a_huge_file_stays_small_and_right(folder):
    index = logread.LineIndex(most=8, spacing_bytes=1024)
    content = numbered(100_000)
    read_at = lambda byte, length: content[byte : byte + length]

    for line in (100_000, 1, 77_777, 50_000):
        start = index.byte_of(read_at, line, 2**30)
        assert content[start:].startswith(b"line %d\n" % line)
        assert index.line_at(read_at, start, 2**30) == line
    assert len(index._lines) <= 8


def test_a_line_longer_than_a_piece_comes_in_parts_by_byte_and_marked_by_line(folder, reader):
    (folder / f"{ID}.log").write_bytes(b"short\n" + b"x" * 5_000 + b"\nlast\n")
    text, answer = "", reader.answer(after(0), is_growing=False)
    while not answer.is_end:
        text += answer.content
        answer = reader.answer(after(answer.to_byte), is_growing=False)
    long = reader.answer(by_line(2), is_growing=False)

    assert text + answer.content == "short\n" + "x" * 5_000 + "\nlast\n"
    assert long.content == "x" * 1024 + " …[the rest of this line is left out]\n"
    assert long.to_line == 2
    assert reader.answer(by_line(3), is_growing=False).content == "last\n"


def test_a_file_that_was_written_anew_is_counted_anew(folder, reader):
    path = folder / f"{ID}.log"
    path.write_bytes(numbered(1000))
    reader.answer(by_line(900), is_growing=False)
    path.write_bytes(b"one\ntwo\n")

    assert reader.answer(by_line(2), is_growing=False).content == "two\n"


def test_a_missing_file_is_said_in_the_words_of_old_or_awaited(folder, reader):
    for request in (by_line(1), after(0), before(END)):
        gone, early = reader.answer(request, is_growing=False), reader.answer(request, is_growing=True)
        assert (gone.message, gone.is_end, gone.content) == (MISSING, True, "")
        assert (early.message, early.is_end) == (NOTHING_YET, False)


def test_a_link_in_place_of_a_log_or_of_its_folder_is_refused(folder, reader, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / f"{ID}.log").write_text("secret\n")
    (folder / f"{ID}.log").symlink_to(secret / f"{ID}.log")
    linked_file = reader.answer(after(0), is_growing=False)
    (folder / f"{ID}.log").unlink()
    folder.rmdir()
    folder.symlink_to(secret)
    linked_folder = reader.answer(after(0), is_growing=False)

    assert linked_file.message == linked_folder.message == MISSING


def test_what_is_no_file_cannot_hold_the_reader_up(folder, reader):
    os.mkfifo(folder / f"{ID}.log")

    assert reader.answer(after(0), is_growing=False).message == MISSING


@pytest.mark.parametrize(
    "request_",
    [
        LogRequest(ID, 10**18, 1),
        LogRequest(-1, DAY_MS, 1),
        LogRequest(ID, -(10**18), from_byte=0),
        LogRequest(ID, DAY_MS, -(10**9)),
        LogRequest(ID, DAY_MS, 10**15),
        LogRequest(ID, DAY_MS, from_byte=2**62),
        LogRequest(ID, DAY_MS, before_byte=0),
    ],
)
def test_numbers_that_make_no_sense_get_an_answer(folder, reader, request_):
    (folder / f"{ID}.log").write_bytes(b"one\n")

    assert reader.answer(request_, is_growing=False).content in {"", "one\n"}


def test_places_of_a_text_are_answered_with_their_bytes(folder, reader):
    (folder / f"{ID}.log").write_bytes(b"one\ntwo \x1b[1m\nthree\nTWO more\n")

    found = reader.answer(LogRequest(ID, DAY_MS, from_byte=0, needle="two"), is_growing=False)
    rest = reader.answer(LogRequest(ID, DAY_MS, from_byte=10, needle="two"), is_growing=False)

    assert found.content == "4\ttwo \\x1b[1m\n19\tTWO more\n"
    assert (found.is_end, found.to_byte) == (True, 28)
    assert rest.content == "19\tTWO more\n"
