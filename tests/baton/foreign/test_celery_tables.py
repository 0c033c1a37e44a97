"""Fixtures of django-celery-beat."""

from __future__ import annotations

import json

import pytest

from baton.errors import InputError
from baton.foreign import celery_tables

SCHEDULES = [
    ("crontabschedule", 1, {
        "minute": "30", "hour": "2", "day_of_month": "*", "month_of_year": "*", "day_of_week": "1-5",
        "timezone": "Asia/Tokyo",
    }),
    ("intervalschedule", 1, {"every": 5, "period": "minutes"}),
    ("intervalschedule", 2, {"every": 5, "period": "microseconds"}),
    ("intervalschedule", 3, {"every": 5, "period": "moons"}),
    ("solarschedule", 1, {"event": "dawn_civil", "latitude": "1", "longitude": "1"}),
    ("clockedschedule", 1, {"clocked_time": "2027-01-31T08:30:00+01:00"}),
]  # fmt: skip
USUAL = {
    "name": "Tidy up", "task": "shop.tidy", "interval": None, "crontab": None, "solar": None, "clocked": None,
    "args": "[]", "kwargs": "{}", "queue": None, "exchange": None, "routing_key": None, "headers": "{}",
    "priority": None, "expires": None, "expire_seconds": None, "one_off": False, "start_time": None,
    "enabled": True, "last_run_at": None, "total_run_count": 7, "description": "",
}  # fmt: skip


def fixture(*tasks: dict) -> str:
    rows = [
        *SCHEDULES,
        *(("periodictask", number, {**USUAL, **task}) for number, task in enumerate(tasks, 1)),
    ]
    found = [
        {"model": f"django_celery_beat.{table}", "pk": key, "fields": fields} for table, key, fields in rows
    ]
    return json.dumps([{"model": "auth.user", "pk": 1, "fields": {}}, *found])


def only(**fields):
    reading = celery_tables.read(fixture(fields))
    assert reading.left == ()
    return reading.jobs[0]


def test_a_task_with_all_it_has():
    job = only(
        crontab=1, args='["DE"]', kwargs='{"full": true}', queue="low", expire_seconds=90, enabled=False,
        description="Every morning", priority=4,
    )  # fmt: skip

    assert job.said == {
        "name": "Tidy up", "handler": "shop.tidy", "cron": "30 2 * * 1-5", "zone": "Asia/Tokyo",
        "param": {"args": ["DE"], "kwargs": {"full": True}}, "start_deadline_s": 90,
        "description": "Every morning",
    }  # fmt: skip
    assert (job.key, job.place, job.is_active, job.hindrance) == ("Tidy up", "task 1", False, "")
    assert [note.partition(":")[0] for note in job.notes] == [
        "it goes to queue low",
        "its priority is not taken over",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"interval": 1}, {"every": 300}),
        ({"clocked": 1, "one_off": True}, {"once": "2027-01-31T07:30:00", "zone": "UTC"}),
    ],
)
def test_other_schedules(fields, said):
    job = only(**fields)

    assert {name: job.said[name] for name in said} == said
    assert not job.hindrance


@pytest.mark.parametrize(
    ("fields", "hindrance"),
    [
        ({"interval": 1, "one_off": True}, "runs once"),
        ({"interval": 1, "expires": "2027-01-01T00:00:00Z"}, "ends at"),
    ],
)
def test_what_ends_by_itself_there_is_not_started_unseen(fields, hindrance):
    assert hindrance in only(**fields).hindrance


@pytest.mark.parametrize(
    ("fields", "reason", "is_problem"),
    [
        ({"solar": 1}, "follows the sun (dawn_civil)", False),
        ({"interval": 1, "task": "celery.backend_cleanup"}, "Celery itself", False),
        ({"interval": 2}, "every 5e-06 s", True),
        ({"interval": 3}, "moons", True),
        ({"interval": 9}, "interval 9 is not in the fixture", True),
        ({"interval": ["5", "minutes"]}, "is not in the fixture", True),
        ({}, "it has no schedule", True),
        ({"interval": 1, "args": "DE"}, "its args 'DE' are not JSON", True),
        ({"interval": 1, "name": None}, "no name", True),
    ],
)
def test_what_is_not_taken_says_why_and_the_rest_goes_on(fields, reason, is_problem):
    reading = celery_tables.read(fixture(fields, {"name": "good", "interval": 1}))

    assert [job.key for job in reading.jobs] == ["good"]
    (left,) = reading.left
    assert (left.place, left.is_problem) == ("task 1", is_problem)
    assert reason in left.reason


@pytest.mark.parametrize("text", ["", "{}x", "7", '[{"model": 1}]', '[{"pk": 1}]', "[[]]"])
def test_what_is_no_fixture_is_refused(text):
    with pytest.raises(InputError, match="no fixture"):
        celery_tables.read(text)
