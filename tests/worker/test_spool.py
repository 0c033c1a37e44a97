"""The spool's segments: when they go, who adopts them, what becomes of damaged bytes."""

from __future__ import annotations

import errno

import pytest

from baton.envelope import group_key, seal
from baton.messages import HandleCallbackParam
from tests.factories import ACCESS_TOKEN
from worker import journal
from worker.journal import Journal, read_records, record
from worker.orphans import Orphans
from worker.quarantine import Quarantine
from worker.spool import Spool

FRAMES = [b"first", b"second " * 20, b"third"]


def callback(log_id: int, app_name: str = "demo", token: str = ACCESS_TOKEN) -> bytes:
    said = HandleCallbackParam(
        app_name=app_name, log_id=log_id, log_date_time=1, handle_code=200, handle_msg="",
        outcome="succeeded", executor_address="e", started_ms=1, ended_ms=2, attempt=1, token=9, result="",
    )  # fmt: skip
    return seal(said, group_key(token, app_name))


def orphans(spool: Spool, *app_names: str) -> Orphans:
    return Orphans(spool, {name: group_key(ACCESS_TOKEN, name) for name in app_names or ("demo",)})


def left_behind(tmp_path, name: str, *frames: bytes) -> Spool:
    """A spool whose executor is gone."""
    gone = Spool(tmp_path, name)
    segment = gone.begin()
    for frame in frames:
        gone.write(segment, frame)
    gone.close()
    return gone


def adopted_frames(spool: Spool) -> list[bytes]:
    return [frame for segment in spool.adopted() for frame in spool.frames(segment)]


# records


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


def test_a_disk_that_takes_only_a_part_of_a_record_is_told(tmp_path, monkeypatch):
    write = journal.os.write
    monkeypatch.setattr(journal.os, "write", lambda file, raw: write(file, raw[: len(raw) // 2]))
    with pytest.raises(OSError) as told:
        Journal(tmp_path).append(1, b"an ending")
    assert told.value.errno == errno.ENOSPC

    monkeypatch.undo()
    Journal(tmp_path).append(1, b"the next")

    assert read_records((tmp_path / "1.journal").read_bytes()).frames == (b"the next",)


# segments


def test_a_segment_is_kept_until_every_ending_in_it_was_accepted_and_is_applied(tmp_path):
    spool = Spool(tmp_path, "executor-1")
    first, second = spool.begin(), spool.begin()
    Journal(spool.folder).append(first, b"one")
    spool.begin_another()

    spool.accepted(first)
    assert spool.all_accepted() == []
    spool.accepted(second)
    assert spool.all_accepted() == [first]
    assert spool.frames(first) == (b"one",)
    spool.release(first)

    assert list(spool.folder.glob("*.journal")) == []
    spool.close()
    assert not spool.folder.exists()


def test_a_segment_gets_no_more_runs_when_it_is_large(tmp_path):
    spool = Spool(tmp_path, "executor-1")
    segment = spool.begin()
    spool.written(segment, b"x" * 1024 * 1024)

    assert spool.begin() != segment


def test_what_may_not_be_applied_yet_stays_for_the_next_start(tmp_path):
    spool = Spool(tmp_path, "executor-1")
    segment = spool.begin()
    spool.write(segment, callback(1))
    spool.accepted(segment)
    spool.close()

    me = Spool(tmp_path, "me")

    assert orphans(me).adopt() == 1
    assert adopted_frames(me) == [callback(1)]


# what others left


def test_only_the_folders_of_executors_that_are_gone_are_adopted(tmp_path):
    alive, me = Spool(tmp_path, "alive"), Spool(tmp_path, "me")
    alive.write(alive.begin(), callback(1))
    gone = left_behind(tmp_path, "gone", callback(2), callback(3))

    assert orphans(me).adopt() == 2

    assert adopted_frames(me) == [callback(2), callback(3)]
    assert not gone.folder.exists()
    assert alive.folder.exists()
    assert orphans(me).adopt() == 0
    alive.close()
    me.close()


def test_a_folder_without_a_lock_file_is_adopted_too(tmp_path):
    gone = left_behind(tmp_path, "gone", callback(1))
    (gone.folder / "lock").unlink()

    assert orphans(Spool(tmp_path, "me")).adopt() == 1


def test_a_folder_that_is_being_made_is_nobodys_orphan(tmp_path):
    me = Spool(tmp_path, "me")
    (tmp_path / ".new-another").mkdir()

    orphans(me).adopt()

    assert (tmp_path / ".new-another").is_dir()


def test_endings_of_a_group_this_executor_does_not_serve_wait_for_one_that_does(tmp_path):
    me, other = Spool(tmp_path, "me"), Spool(tmp_path, "other")
    gone = left_behind(tmp_path, "gone", callback(1), callback(2, "elsewhere"), callback(3))

    assert orphans(me).adopt() == 2
    assert gone.folder.exists()
    assert orphans(other, "elsewhere").adopt() == 1

    assert adopted_frames(me) == [callback(1), callback(3)]
    assert adopted_frames(other) == [callback(2, "elsewhere")]
    assert not gone.folder.exists()


def test_an_ending_that_is_not_signed_for_its_group_is_put_aside_and_can_be_tried_again(tmp_path):
    me = Spool(tmp_path, "me")
    strange = callback(2, token="an access token of the past")
    left_behind(tmp_path, "gone", callback(1), strange)
    mine = orphans(me)

    assert mine.adopt() == 1

    [file] = mine.quarantine.files()
    assert read_records(file.read_bytes()).frames == (strange,)

    again = tmp_path / "again"
    again.mkdir()
    file.rename(again / "1.journal")
    with_the_old_token = {"demo": group_key("an access token of the past", "demo")}
    assert Orphans(me, with_the_old_token).adopt() == 1


def test_damaged_bytes_are_put_aside_and_what_stands_around_them_is_adopted(tmp_path):
    me = Spool(tmp_path, "me")
    gone = left_behind(tmp_path, "gone", callback(1), callback(2), callback(3))
    path = gone.folder / "1.journal"
    raw = bytearray(path.read_bytes())
    raw[len(record(callback(1))) + 20] ^= 0xFF
    path.write_bytes(raw)
    mine = orphans(me)

    assert mine.adopt() == 2

    assert adopted_frames(me) == [callback(1), callback(3)]
    [file] = mine.quarantine.files()
    assert (file.name, len(file.read_bytes())) == ("gone.1.damaged", len(record(callback(2))))


def test_the_quarantine_is_bounded_and_lets_the_oldest_go(tmp_path):
    quarantine = Quarantine(tmp_path / "quarantine", limit_bytes=250)
    for n in range(4):
        quarantine.put(f"file-{n}", b"x" * 100, "a test")

    assert [path.name for path in quarantine.files()] == ["file-2", "file-3"]
