"""Beat schedules become jobs of the handlers of their tasks. The classes here look like Celery's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from baton.foreign import celery_beat
from baton.schedule import Schedule, upcoming


class Crontab:
    """As `celery.schedules.crontab` keeps what it was given."""

    def __init__(self, minute="*", hour="*", day_of_week="*", day_of_month="*", month_of_year="*"):
        self._orig_minute, self._orig_hour, self._orig_day_of_week = minute, hour, day_of_week
        self._orig_day_of_month, self._orig_month_of_year = day_of_month, month_of_year
        self.run_every = timedelta(seconds=1)


class Every:
    def __init__(self, run_every):
        self.run_every = run_every


class Solar:
    event, lat, lon = "sunset", 52.5, 13.4


def read(**entries):
    found = {name: {"task": f"shop.{name}", **entry} for name, entry in entries.items()}
    return celery_beat.read(found, zone="Europe/Berlin")


def only(schedule, **entry):
    reading = read(tidy={"schedule": schedule, **entry})
    assert reading.left == ()
    return reading.jobs[0]


@pytest.mark.parametrize(
    ("schedule", "expression", "fires"),
    [
        (Crontab(minute=30, hour=2), "30 2 * * *", "2026-11-21T01:30"),
        (Crontab(minute="*/15"), "*/15 * * * *", "2026-11-21T00:15"),
        (Crontab(minute={30, 0}, hour=range(8, 10)), "0,30 8,9 * * *", "2026-11-21T07:00"),
        (Crontab(0, "0", day_of_week="mon, fri"), "0 0 * * mon,fri", "2026-11-22T23:00"),
        (Crontab(0, 12, day_of_month="1", month_of_year="*/3"), "0 12 1 */3 *", "2027-01-01T11:00"),
    ],
)
def test_crontabs_follow_the_clock_of_the_app(schedule, expression, fires):
    job = only(schedule)

    assert job.said == {"name": "tidy", "handler": "shop.tidy", "cron": expression, "zone": "Europe/Berlin"}
    (at,) = upcoming(
        Schedule("CRON", expression, "Europe/Berlin"),
        int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000),
        1,
    )
    assert datetime.fromtimestamp(at / 1000, UTC).isoformat()[:16] == fires
    assert not job.hindrance


def test_day_and_weekday_together_are_not_started_unseen():
    assert "both name" in only(Crontab(0, 0, day_of_week="mon", day_of_month="1-7")).hindrance


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [(30, 30), (90.0, 90), (timedelta(minutes=5), 300), (Every(timedelta(hours=1)), 3600)],
)
def test_periods_become_fixed_rates(schedule, seconds):
    assert only(schedule).said["every"] == seconds


@pytest.mark.parametrize(
    ("entry", "param"),
    [
        ({"args": ("DE", 7)}, ["DE", 7]),
        ({"kwargs": {"full": True}}, {"full": True}),
        ({"args": ["DE"], "kwargs": {"full": True}}, {"args": ["DE"], "kwargs": {"full": True}}),
        ({"args": None, "kwargs": None}, None),
    ],
)
def test_arguments_become_the_parameter(entry, param):
    assert only(60, **entry).said.get("param") == param


def test_options():
    job = only(60, options={"queue": "low", "expires": timedelta(minutes=2), "priority": 3}, relative=True)

    assert job.said["start_deadline_s"] == 120
    assert [note.partition(":")[0] for note in job.notes] == [
        "it goes to queue low", "its option priority is not taken over", "relative"
    ]  # fmt: skip
    assert "expires" in only(60, options={"expires": datetime(2027, 1, 1, tzinfo=UTC)}).notes[0]


@pytest.mark.parametrize(
    ("entry", "reason", "is_problem"),
    [
        ({"schedule": Solar()}, "follows the sun (sunset)", False),
        ({"schedule": 60, "task": "celery.backend_cleanup"}, "Celery itself", False),
        ({"schedule": 0.5}, "every 0.5 s", True),
        ({"schedule": timedelta(seconds=1.5)}, "every 1.5 s", True),
        ({"schedule": object()}, "is a object", True),
        ({"schedule": 60, "task": None}, "no mapping", True),
        ({"schedule": 60, "args": {"a": 1}}, "a list and a dict", True),
        ({"schedule": 60, "args": [datetime.now]}, "JSON does not have", True),
    ],
)
def test_what_is_not_taken_says_why_and_the_rest_goes_on(entry, reason, is_problem):
    reading = read(bad=entry, good={"schedule": 60})

    assert [job.key for job in reading.jobs] == ["good"]
    (left,) = reading.left
    assert (left.place, left.is_problem) == ("entry 'bad'", is_problem)
    assert reason in left.reason
