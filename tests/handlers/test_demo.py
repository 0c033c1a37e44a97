"""The handlers a newcomer sees first do what they say, with what every machine has."""

from __future__ import annotations

import hashlib
import sqlite3

import pytest

from baton.testing import run
from baton.vocabulary import Outcome
from handlers import demo


def test_the_disk_is_reported(tmp_path):
    ran = run(demo.report_disk, param=str(tmp_path))

    assert ran.outcome is Outcome.SUCCEEDED
    assert 0 <= ran.result["percent"] <= 100
    assert ran.result["free_bytes"] > 0


def test_a_folder_is_packed_and_its_checksum_given(tmp_path):
    (tmp_path / "file").write_text("some text")

    ran = run(demo.compress_folder, param=str(tmp_path))

    assert ran.outcome is Outcome.SUCCEEDED
    assert ran.result["bytes"] > 0
    assert len(ran.result["sha256"]) == len(hashlib.sha256().hexdigest())


def test_a_database_is_backed_up_while_it_is_in_use(tmp_path):
    path = tmp_path / "data ?#.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("pragma journal_mode=wal; create table t (x); insert into t values (1)")
    connection.execute("begin immediate")

    ran = run(demo.backup_sqlite, param=str(path))

    connection.close()
    assert (ran.outcome, ran.result) == (Outcome.SUCCEEDED, "ok")


@pytest.mark.parametrize("param", ["", "/there/is/no/such/file"])
def test_a_backup_of_nothing_says_what_it_wants(param):
    ran = run(demo.backup_sqlite, param=param)

    assert ran.outcome is Outcome.FAILED
    assert "give the path of a SQLite file as parameter" in ran.message


def test_a_damaged_database_is_no_success(tmp_path):
    path = tmp_path / "data.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table t (x); "
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) "
        "insert into t select randomblob(100) from n"
    )
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 8192 + whole[16384:])

    assert run(demo.backup_sqlite, param=str(path)).outcome is Outcome.FAILED


def test_failing_on_purpose_names_the_attempt():
    ran = run(demo.fail_on_purpose, attempt=2)

    assert ran.outcome is Outcome.FAILED
    assert "attempt 2" in ran.message
