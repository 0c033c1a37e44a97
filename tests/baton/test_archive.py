"""An archive of run logs behind a URL: what was put is found, and what is missing is said clearly."""

from __future__ import annotations

import builtins
import uuid

import pytest

from baton.archive import Archive, Place
from baton.errors import SettingsError

PLACE = Place("demo", 1_700_000_000_000, 7)


@pytest.fixture(params=["file", "memory"])
def archive(request, tmp_path):
    url = (tmp_path / "archive").as_uri() if request.param == "file" else f"memory://{uuid.uuid4()}"
    return Archive.at(url)


@pytest.fixture
def written(tmp_path):
    def write(content: bytes):
        path = tmp_path / uuid.uuid4().hex
        path.write_bytes(content)
        return path

    return write


def whole(archive: Archive, place: Place = PLACE) -> bytes:
    found = archive.find(place)
    assert found is not None
    return found.read_at(0, found.size)


def test_what_was_put_is_found_whole_and_in_parts(archive, written):
    archive.put([(written(b"one\ntwo\n"), PLACE, 1)])
    found = archive.find(PLACE)

    assert found.size == 8
    assert found.read_at(0, 100) == b"one\ntwo\n"
    assert found.read_at(4, 3) == b"two"
    assert found.read_at(8, 3) == b""


def test_a_run_without_a_log_is_not_found(archive, written):
    archive.put([(written(b"one\n"), PLACE, 1)])

    assert archive.find(Place("demo", PLACE.log_date_time, 8)) is None
    assert archive.find(Place("other", PLACE.log_date_time, 7)) is None


def test_several_logs_are_put_together_and_one_put_twice_is_there_once(archive, written):
    logs = [(written(b"log %d\n" % n), Place("demo", PLACE.log_date_time, n), 1) for n in range(1, 20)]
    archive.put(logs)
    archive.put(logs[:3])
    archive.put([])

    for n in (1, 3, 19):
        assert whole(archive, Place("demo", PLACE.log_date_time, n)) == b"log %d\n" % n


def test_what_two_executors_wrote_for_one_run_comes_in_the_order_of_their_leases(archive, written):
    archive.put([(written(b"the second\n"), PLACE, 10), (written(b"the first\n"), PLACE, 9)])

    assert whole(archive) == b"the first\nthe second\n"
    assert archive.find(PLACE).read_at(4, 12) == b"first\nthe se"


def test_trying_it_out_leaves_nothing_behind(archive):
    archive.try_out()

    assert archive._files.find(archive._root) == []


def test_a_file_that_was_continued_is_there_once(archive, written):
    archive.put([(written(b"first attempt\n"), PLACE, 1)])
    archive.put([(written(b"first attempt\nsecond attempt\n"), PLACE, 2)])

    assert whole(archive) == b"first attempt\nsecond attempt\n"


def test_a_group_cannot_lead_out_of_the_archive(tmp_path, written):
    archive = Archive.at((tmp_path / "archive" / "inner").as_uri())
    place = Place("..", PLACE.log_date_time, 7)
    archive.put([(written(b"one\n"), place, 1)])

    assert whole(archive, place) == b"one\n"
    assert [each.name for each in (tmp_path / "archive").iterdir()] == ["inner"]


def test_what_is_not_installed_is_named_with_the_way_to_get_it(monkeypatch):
    with pytest.raises(SettingsError, match="no-such"):
        Archive.at("no-such://bucket/secret")
    real = builtins.__import__

    def without_fsspec(name, *arguments, **named):
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_fsspec)
    with pytest.raises(SettingsError, match=r"fsspec is not installed: pip install 'baton\[archive\]'"):
        Archive.at("s3://bucket")
