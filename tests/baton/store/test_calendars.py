"""Exclusion calendars, and what a change of one does to the jobs that keep to it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from baton.errors import InputError, ScheduleError
from baton.schedule import AWAITING_END_MS
from baton.store import calendars, jobs
from baton.store.engine import read, write
from baton.store.jobs import JobDraft
from baton.store.models import Job
from tests import factories
from tests.clocks import NOON_MS  # Thursday, 2026-01-01

HOUR_MS = 3_600_000


@pytest.fixture
def group_id(engine):
    with write(engine) as connection:
        return factories.executor_group(connection)


def a_calendar(engine, rules: str = "FRI", name: str = "Holidays") -> int:
    with write(engine) as connection:
        return calendars.create(connection, name, rules, NOON_MS)


def a_job(engine, group_id: int, calendar_id: int | None, **fields: Any) -> int:
    """Followed, at noon of each day."""
    draft = JobDraft(
        group_id, "A job", "demo", calendar_id=calendar_id,
        **{"schedule_type": "CRON", "schedule_conf": "0 12 * * *"} | fields,
    )  # fmt: skip
    with write(engine) as connection:
        job_id = jobs.create(connection, draft, NOON_MS)
        assert jobs.follow(connection, job_id, NOON_MS)
    return job_id


def next_in_h(engine, job_id: int) -> float:
    with read(engine) as connection:
        return (jobs.get(connection, job_id).next_trigger_time - NOON_MS) / HOUR_MS


def test_a_job_is_followed_around_its_calendar(engine, group_id):
    job_id = a_job(engine, group_id, a_calendar(engine))

    assert next_in_h(engine, job_id) == 48


def test_new_rules_move_the_jobs_of_the_calendar_and_no_others(engine, group_id):
    calendar_id = a_calendar(engine)
    mine, other = a_job(engine, group_id, calendar_id), a_job(engine, group_id, None)
    for rules, hours in (("FRI-SAT", 72), ("", 24)):
        with write(engine) as connection:
            assert calendars.edit(connection, calendar_id, "Holidays", rules, NOON_MS)
        assert (next_in_h(engine, mine), next_in_h(engine, other)) == (hours, 24)


def test_rules_that_leave_a_job_nothing_stop_it(engine, group_id):
    calendar_id = a_calendar(engine)
    job_id = a_job(engine, group_id, calendar_id)
    with write(engine) as connection:
        calendars.edit(connection, calendar_id, "Holidays", "MON-SUN", NOON_MS)
    with read(engine) as connection:
        job = jobs.get(connection, job_id)

    assert not job.is_running
    assert "no further time" in job.stop_reason


def test_new_rules_leave_alone_what_waits_for_the_end_of_its_run(engine, group_id):
    calendar_id = a_calendar(engine)
    job_id = a_job(engine, group_id, calendar_id, schedule_type="FIX_DELAY", schedule_conf="60")
    with write(engine) as connection:
        connection.execute(Job.__table__.update().values(next_trigger_time=AWAITING_END_MS))
        calendars.edit(connection, calendar_id, "Holidays", "SAT", NOON_MS)
    with read(engine) as connection:
        assert jobs.get(connection, job_id).awaits_end


def test_an_edit_of_the_job_moves_it_to_its_new_calendar(engine, group_id):
    job_id = a_job(engine, group_id, None)
    for calendar_id, hours in ((a_calendar(engine), 48), (None, 24)):
        draft = JobDraft(
            group_id, "A job", "demo", schedule_type="CRON", schedule_conf="0 12 * * *",
            calendar_id=calendar_id,
        )  # fmt: skip
        with write(engine) as connection:
            version = jobs.get(connection, job_id).version
            assert jobs.edit(connection, job_id, version, draft, NOON_MS)
        assert next_in_h(engine, job_id) == hours


def test_a_calendar_that_is_not_there_is_refused_and_stops_its_job(engine, group_id):
    job_id = a_job(engine, group_id, None)
    draft = JobDraft(group_id, "A job", "demo", calendar_id=4711)
    with write(engine) as connection:
        with pytest.raises(ScheduleError, match="no calendar 4711"):
            jobs.edit(connection, job_id, 1, draft, NOON_MS)
        connection.execute(Job.__table__.update().values(calendar_id=4711, next_trigger_time=NOON_MS))
        [job] = jobs.due(connection, NOON_MS, 10)
        with pytest.raises(ScheduleError, match="the calendar was deleted"):
            jobs.follow(connection, job_id, NOON_MS)
    assert job.id == job_id


def test_a_calendar_is_deleted_only_when_no_job_keeps_to_it(engine, group_id):
    used, unused = a_calendar(engine), a_calendar(engine, name="Another")
    a_job(engine, group_id, used)

    with write(engine) as connection:
        assert [each.jobs for each in calendars.all_calendars(connection)] == [0, 1]
        assert not calendars.remove(connection, used)
        assert calendars.remove(connection, unused)
        assert not calendars.edit(connection, unused, "Another", "", NOON_MS)
        assert calendars.get(connection, unused) is None


@pytest.mark.parametrize(
    ("name", "rules", "error"),
    [
        ("Holidays", "", "already"),
        ("", "", "needs a name"),
        ("x" * 65, "", "needs a name"),
        ("New", "?", "no rule"),
    ],
)
def test_what_cannot_be_a_calendar_is_refused(engine, name, rules, error):
    a_calendar(engine)
    with write(engine) as connection, pytest.raises(InputError, match=error):
        calendars.create(connection, name, rules, NOON_MS)


def test_a_calendar_keeps_its_own_name(engine):
    calendar_id = a_calendar(engine)
    with write(engine) as connection:
        assert calendars.edit(connection, calendar_id, "Holidays", "SUN", NOON_MS)
        assert connection.execute(select(calendars.Calendar.rules)).scalar_one() == "SUN"
