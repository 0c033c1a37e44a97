"""Spool records, torn and flipped."""

from __future__ import annotations

from worker.spool import Journal, Spool, read_records, record

FRAMES = [b"first", b"second " * 20, b"third"]


def test_a_segment_torn_at_any_byte_gives_every_whole_record_before_the_tear():
    raw = b"".join(record(frame) for frame in FRAMES)
    ends = [len(b"".join(record(frame) for frame in FRAMES[: n + 1])) for n in range(len(FRAMES))]
    for length in range(len(raw) + 1):
        contents = read_records(raw[:length])
        assert list(contents.frames) == [f for f, end in zip(FRAMES, ends, strict=True) if end <= length]


def test_a_flipped_byte_costs_its_own_record_only():
    raw = b"".join(record(frame) for frame in FRAMES)
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]
        contents = read_records(flipped)
        assert len(contents.frames) == len(FRAMES) - 1
        assert set(contents.frames) < set(FRAMES)
        assert contents.damaged


def test_a_segment_goes_when_every_ending_in_it_was_accepted(tmp_path):
    spool = Spool(tmp_path, "executor-1")
    first, second = spool.begin(), spool.begin()
    Journal(spool.folder).append(first, b"one")

    spool.accepted(first)
    assert (spool.folder / f"{first}.journal").exists()
    spool.accepted(second)

    assert list(spool.folder.glob("*.journal")) == []
    spool.close()
    assert not spool.folder.exists()


def test_only_the_folders_of_executors_that_are_gone_are_adopted(tmp_path):
    alive, me = Spool(tmp_path, "alive"), Spool(tmp_path, "me")
    gone = Spool(tmp_path, "gone")
    Journal(gone.folder).append(gone.begin(), b"ending")
    gone.close()

    found = list(me.orphans())

    assert [orphan.folder.name for orphan in found] == ["gone"]
    assert found[0].frames() == [b"ending"]
    alive.close()
    me.close()
