"""Fire times of the past, planned now."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from baton.errors import InputError
from baton.store import backfill
from baton.store.engine import write
from baton.store.models import JobLog
from tests import factories
from tests.clocks import NOON_MS

MINUTE_MS = 60_000


def a_job(connection, **fields: Any) -> int:
    values = {"schedule_type": "CRON", "schedule_conf": "*/10 * * * *", "start_deadline_s": 30}
    return factories.job(connection, factories.executor_group(connection), **values | fields)


def keys_of(connection, job_id: int) -> list[tuple[str, str, int]]:
    found = select(JobLog.trigger_type, JobLog.trigger_key, JobLog.expires_at)
    return [
        tuple(row) for row in connection.execute(found.where(JobLog.job_id == job_id).order_by(JobLog.id))
    ]


def test_a_chosen_range_is_planned_and_asking_twice_plans_nothing_more(engine):
    begin = NOON_MS - 60 * MINUTE_MS
    with write(engine) as connection:
        job_id = a_job(connection)
        group_id = connection.execute(select(backfill.Job.group_id)).scalar_one()
        for key in (f"cron:{begin}", f"misfire:{begin + 20 * MINUTE_MS}"):
            factories.log_row(connection, group_id, job_id, trigger_key=key, trigger_type="CRON")

        seen = backfill.look(connection, job_id, begin, NOON_MS, NOON_MS)
        assert len(keys_of(connection, job_id)) == 2, "looking plans nothing"
        planned = backfill.plan(connection, job_id, begin, NOON_MS, NOON_MS)
        again = backfill.plan(connection, job_id, begin, NOON_MS, NOON_MS)
        rows = keys_of(connection, job_id)[2:]

    assert seen == planned
    assert planned.missing == tuple(begin + n * 10 * MINUTE_MS for n in (1, 3, 4, 5))
    assert planned.present == (begin, begin + 20 * MINUTE_MS)
    assert rows == [("BACKFILL", f"cron:{at}", NOON_MS + 30_000) for at in planned.missing]
    assert (again.missing, len(again.present)) == ((), 6)


@pytest.mark.parametrize(
    "stands", [{"next_trigger_time": NOON_MS + 3_000}, {"last_trigger_time": NOON_MS - 87_000}]
)
def test_a_fixed_rate_is_planned_on_its_own_grid(engine, stands):
    with write(engine) as connection:
        job_id = a_job(connection, schedule_type="FIX_RATE", schedule_conf="10", **stands)
        found = backfill.look(connection, job_id, NOON_MS - 40_000, NOON_MS, NOON_MS)

    assert found.missing == tuple(NOON_MS - 37_000 + n * 10_000 for n in range(4))


@pytest.mark.parametrize(
    ("fields", "begin_ms", "end_ms", "error"),
    [
        ({}, NOON_MS - 1, NOON_MS + 1, "range of the past"),
        ({}, NOON_MS, NOON_MS, "range of the past"),
        ({}, 0, NOON_MS, "more than 1,000 fire times"),
        ({"schedule_type": "FIX_DELAY", "schedule_conf": "10"}, 0, NOON_MS, "no times of the past"),
        ({"schedule_type": "NONE", "schedule_conf": ""}, 0, NOON_MS, "no times of the past"),
    ],
)
def test_what_cannot_be_planned_is_refused(engine, fields, begin_ms, end_ms, error):
    with write(engine) as connection, pytest.raises(InputError, match=error):
        backfill.plan(connection, a_job(connection, **fields), begin_ms, end_ms, NOON_MS)


def test_a_job_that_is_not_there_is_refused(engine):
    with write(engine) as connection, pytest.raises(InputError, match="no job 4711"):
        backfill.look(connection, 4711, 0, 1, NOON_MS)
