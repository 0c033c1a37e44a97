"""Questions about odd rows: what stands in the way of an answer is no long history."""

from __future__ import annotations

import pytest

from baton.store import anomalies
from baton.store.engine import read, write
from tests import factories

_OF_RUNS = {
    "not pushed": (anomalies._NOT_PUSHED, "ix_job_log_pending"),
    "half pushed": (anomalies._HALF_PUSHED, "ix_job_log_unfinished"),
    "without parent": (anomalies._WITHOUT_PARENT, "ix_job_log_unfinished"),
    "before parent": (anomalies._BEFORE_PARENT, "ix_job_log_unfinished"),
    "contradictory": (anomalies._CONTRADICTORY, "ix_job_log_group"),
}


@pytest.mark.parametrize("name", _OF_RUNS)
def test_the_history_is_not_read(sqlite_engine, name):
    statement, index = _OF_RUNS[name]
    with read(sqlite_engine) as connection:
        asked = statement.params(group_id=1, before_ms=1)
        sql = asked.compile(sqlite_engine, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"explain query plan {sql}")
        details = [row.detail for row in plan]

    assert any(index in detail for detail in details)
    assert not [detail for detail in details if detail.startswith("SCAN job_log")]


def test_a_hundred_answers_are_enough_and_groups_are_asked_apart(engine):
    with write(engine) as connection:
        group_id = factories.executor_group(connection)
        job_id = factories.job(connection, group_id)
        odd = {"trigger_code": 200, "handle_code": 500, "handle_time": 1, "outcome": "succeeded"}
        found = [factories.log_row(connection, group_id, job_id, **odd) for _ in range(anomalies.MOST + 5)]

    with read(engine) as connection:
        answers = anomalies.contradictory(connection, group_id)
        of_another = anomalies.contradictory(connection, group_id + 1)

    assert [each.id for each in answers] == found[: anomalies.MOST]
    assert of_another == []
