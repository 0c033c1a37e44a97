"""The demo group: made once, shows everything that can become of a run, leaves a person's edits alone."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

import config
from baton.handlers import registered
from baton.store.engine import make_engine
from baton.store.models import Job, JobLog
from cli import seed
from handlers import demo
from tests import factories

SLOTS = 4
"""`BATON_CONCURRENCY` where nobody sets it."""


@pytest.fixture
def settings(database_url, one_redis_url):
    environ = {
        "REDIS_URL": one_redis_url,
        "DATABASE_URL": database_url,
        "BATON_ACCESS_TOKEN": factories.ACCESS_TOKEN,
    }
    return config.load(environ)


@pytest.fixture
def jobs(settings):
    """Name -> row of each job."""

    def read():
        engine = make_engine(settings.database_url)
        with engine.connect() as connection:
            rows = {row.name: row for row in connection.execute(select(Job.__table__))}
        engine.dispose()
        return rows

    return read


def change(settings, statement) -> None:
    engine = make_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


def test_every_job_can_run_and_is_followed(settings, jobs):
    assert seed.demo(settings)

    ours = {name for name, handler in registered().items() if handler.function.__module__ == demo.__name__}
    if not settings.database_url.startswith("sqlite"):
        ours.remove("backup-sqlite")
    assert {row.executor_handler for row in jobs().values()} == ours
    for row in jobs().values():
        assert row.trigger_status == 1
        assert row.next_trigger_time > 0
        assert row.description


def test_there_is_a_job_for_everything_that_can_be_seen(settings, jobs):
    seed.demo(settings)

    rows = jobs().values()
    assert {row.block_strategy for row in rows} >= {"SERIAL_EXECUTION", "DISCARD_LATER", "COVER_EARLY"}
    assert {row.schedule_type for row in rows} >= {"CRON", "FIX_RATE"}
    assert {"fail-on-purpose", "take-too-long", "count-slowly"} <= {row.executor_handler for row in rows}
    assert any(row.executor_timeout for row in rows)
    assert any(row.executor_fail_retry_count for row in rows)


def test_slow_jobs_leave_a_slot_to_the_others(settings, jobs):
    seed.demo(settings)

    slow = {row.name for row in jobs().values() if row.executor_handler == "count-slowly"}
    assert len(slow) < SLOTS == settings.concurrency


def test_something_waits_from_the_first_moment(settings, jobs):
    seed.demo(settings)

    engine = make_engine(settings.database_url)
    with engine.connect() as connection:
        waiting = list(connection.scalars(select(JobLog.job_id)))
    engine.dispose()
    assert waiting == [jobs()[seed.SERIAL].id] * 3


def test_what_a_person_edited_or_deleted_stays_so(settings, jobs):
    seed.demo(settings)
    change(settings, update(Job).where(Job.name == seed.SERIAL).values(schedule_conf="77"))
    change(settings, delete(Job).where(Job.executor_handler == "report-disk"))
    before = jobs()

    assert not seed.demo(settings)

    assert jobs() == before
