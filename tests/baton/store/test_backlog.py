"""How many runs have not ended, and since when."""

from __future__ import annotations

from baton.store import backlog
from baton.store.backlog import Backlog
from baton.store.engine import read, write
from tests import factories


def test_runs_that_have_not_ended_are_counted_by_group(engine):
    with write(engine) as connection:
        mine, other = (factories.executor_group(connection, app_name=name) for name in ("mine", "other"))
        job_id = factories.job(connection, mine)
        for fields in (
            {},
            {},
            {"trigger_code": 200},
            {"trigger_code": 200, "not_before": 9},
            {"outcome": "refused", "trigger_code": 500},
        ):
            factories.log_row(connection, mine, job_id, **fields)

    with read(engine) as connection:
        assert backlog.of_group(connection, mine) == Backlog(pending=2, queued=2)
        assert backlog.of_group(connection, other) == Backlog(pending=0, queued=0)


def test_the_oldest_queued_runs_come_first_with_the_moment_they_might_have_been_pushed(engine):
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        job_id = factories.job(connection, group_id)
        factories.log_row(connection, group_id, job_id, trigger_time=1_000)
        waited = factories.log_row(
            connection, group_id, job_id, trigger_time=1_000, not_before=5_000, trigger_code=200
        )
        plain = factories.log_row(connection, group_id, job_id, trigger_time=2_000, trigger_code=200)

    with read(engine) as connection:
        found = backlog.oldest_queued(connection, group_id, 2)
        assert [(each.log_id, each.due_ms) for each in found] == [(waited, 5_000), (plain, 2_000)]
        assert len(backlog.oldest_queued(connection, group_id, 1)) == 1


def test_the_history_is_not_read(sqlite_engine):
    with read(sqlite_engine) as connection:
        for statement in (backlog._BY_CODE, backlog._OLDEST_QUEUED):
            sql = str(statement.compile(sqlite_engine))
            plan = connection.exec_driver_sql(f"explain query plan {sql}", (1,) * sql.count("?"))
            assert any("ix_job_log_unfinished" in row.detail for row in plan)
