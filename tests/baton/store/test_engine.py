"""Connections and transactions."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import DBAPIError

from baton.errors import InputError
from baton.store import fixed_delay, jobs, runs
from baton.store.engine import make_engine, read, write
from baton.store.models import ExecutorGroup, JobLog
from tests import factories
from tests.waiting import until


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("nonsense", "write postgresql://user:password@host/name or sqlite:///path"),
        ("mysql://host/name", "names 'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite:////no/such/folder/baton.db", "there is no folder /no/such/folder"),
    ],
)
def test_a_database_url_that_cannot_serve_is_refused_with_the_mend(url, text):
    with pytest.raises(InputError, match=text):
        make_engine(url)


def test_an_exception_takes_everything_back(engine):
    with pytest.raises(RuntimeError), write(engine) as connection:
        factories.executor_group(connection)
        raise RuntimeError("on purpose")

    with engine.connect() as connection:
        assert connection.execute(select(ExecutorGroup)).all() == []


def test_an_error_does_not_tell_the_parameters_of_its_statement(engine):
    with pytest.raises(DBAPIError) as caught, write(engine) as connection:
        connection.execute(insert(ExecutorGroup).values(app_name=None, title="hidden"))

    assert "INSERT INTO executor_group" in str(caught.value)
    assert "hidden'" not in str(caught.value)


def test_what_only_reads_cannot_write(engine):
    with read(engine) as connection, pytest.raises(DBAPIError):
        factories.executor_group(connection)


def test_a_reader_sees_one_moment_while_others_write(engine):
    with read(engine) as connection:
        before = connection.execute(select(ExecutorGroup)).all()
        with write(engine) as other:
            factories.executor_group(other)
        assert connection.execute(select(ExecutorGroup)).all() == before


_WRITER = """
import sys, time
from baton.store.engine import make_engine, write
from tests import factories
with write(make_engine(sys.argv[1])) as connection:
    factories.executor_group(connection)
    print("inside", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_frees_the_database_and_leaves_nothing(sqlite_engine, sqlite_url):
    root = Path(__file__).parents[3]
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, sqlite_url], stdout=subprocess.PIPE, cwd=root)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"inside\n"
    done = threading.Event()

    def wait_for_a_turn() -> None:
        with write(sqlite_engine) as connection:
            factories.executor_group(connection, app_name="mine")
        done.set()

    second = threading.Thread(target=wait_for_a_turn)
    second.start()
    assert not done.wait(0.2), "one writer at a time"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()

    until(done.is_set, 10, "the second writer's turn")
    second.join()
    with sqlite_engine.connect() as connection:
        assert connection.execute(select(ExecutorGroup.app_name)).scalars().all() == ["mine"]


def test_the_sqlite_file_survives_power_cuts_as_far_as_sqlite_can(sqlite_engine, sqlite_url):
    with sqlite_engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"pragma {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as plain:
        assert plain.execute("pragma integrity_check").fetchone() == ("ok",)


def test_no_hot_statement_reads_the_whole_history(sqlite_engine):
    """EXPLAIN of what the hot paths send: no scan of `job_log` without an index."""
    with write(sqlite_engine) as connection:
        group_id = factories.executor_group(connection, app_name="g")
        job_id = factories.job(connection, group_id, trigger_status=1, next_trigger_time=1)
        log_id = factories.log_row(connection, group_id, job_id)
        connection.exec_driver_sql("analyze")
    sent: list[tuple[str, object]] = []

    @event.listens_for(sqlite_engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if statement.lstrip().lower().startswith(("select", "update", "insert", "with")):
            sent.append((statement, parameters))

    with write(sqlite_engine) as connection:
        jobs.due(connection, 10, 500)
        jobs.due(connection, 10, 500, 5)
        jobs.next_due_ms(connection)
        runs.pending(connection, 1000, 1)
        runs.next_pending_ms(connection, 1)
        fixed_delay.run_ended(connection, [job_id], 1)
        fixed_delay.resume_awaiting(connection, 1, after_id=0, limit=500)
        runs.mark_pushed(connection, [runs.Mark(log_id, "{}", 5)])
        runs.states(connection, [log_id])
        runs.finish(
            connection,
            [runs.RunEnding(log_id, "succeeded", 200, "", 9, 8, "e", 1, 1, "", 200)],
        )
        runs.list_page(connection, runs.RunFilter(), None, 50)
        runs.list_page(connection, runs.RunFilter(job_id=job_id), None, 50)
        runs.get(connection, log_id)

    assert len(sent) >= 9
    with sqlite_engine.connect() as connection:
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"explain query plan {statement}", parameters).all()
            scans = [row[3] for row in plan if row[3].startswith("SCAN") and "job_log" in row[3]]
            assert all("USING" in scan for scan in scans), f"{scans}\n{statement}"


def test_rows_keep_text_of_every_language_and_a_large_parameter(engine):
    text = "тест 测试 🎽 " + "x" * 60_000
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        job_id = factories.job(connection, group_id, name="名" * 128)
        log_id = factories.log_row(connection, group_id, job_id, executor_param=text)

    with engine.connect() as connection:
        assert (
            connection.execute(select(JobLog.executor_param).where(JobLog.id == log_id)).scalar_one() == text
        )
