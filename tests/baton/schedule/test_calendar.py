"""What exclusion calendars leave out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import Schedule, calendar, check, following, next_fire, upcoming


def ms(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def shown(at: int | None, zone: str = "UTC") -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("rules", "at", "free"),
    [
        ("2026-12-25", "2026-12-24T23:59", "2026-12-24T23:59"),
        ("2026-12-25", "2026-12-25T00:00", "2026-12-26T00:00"),
        ("2026-12-24..2027-01-06", "2026-12-31T12:00", "2027-01-07T00:00"),
        ("2026-12-24 .. 2027-01-06  # holidays", "2026-12-31T12:00", "2027-01-07T00:00"),
        # 2026-12-26 is a Saturday
        ("SAT-SUN", "2026-12-26T12:00", "2026-12-28T00:00"),
        ("sat,sun", "2026-12-26T12:00", "2026-12-28T00:00"),
        ("FRI-MON", "2026-12-26T12:00", "2026-12-29T00:00"),
        ("MON-FRI 00:00-06:00", "2026-12-26T03:00", "2026-12-26T03:00"),
        ("MON-FRI 00:00-06:00", "2026-12-28T03:00", "2026-12-28T06:00"),
        ("22:00-06:00", "2026-12-26T05:59", "2026-12-26T06:00"),
        ("SAT 22:00-06:00", "2026-12-27T05:59", "2026-12-27T06:00"),
        ("SAT 22:00-06:00", "2026-12-26T05:59", "2026-12-26T05:59"),
        ("SUN 18:00-24:00", "2026-12-27T18:00", "2026-12-28T00:00"),
        # one after the other, as if they were one
        ("2026-12-25\n\nSAT-SUN\nMON 00:00-09:30", "2026-12-25T08:00", "2026-12-28T09:30"),
    ],
)
def test_what_is_left_out(rules, at, free):
    found = calendar.read(rules).free_from(ms(at), ZoneInfo("UTC"))

    assert shown(found) == free


def test_a_week_without_a_free_moment_leaves_nothing():
    assert calendar.read("MON-SUN").free_from(0, ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ("2026-12-25\nChristmas", "line 2: 'Christmas' is no rule"),
        ("2026-02-30", "cannot be"),
        ("2027-01-06..2026-12-24", "ends before it begins"),
        ("MON-FRI 25:00-26:00", "00:00 to 24:00"),
        ("MON-FRI 06:00-06:00", "00:00 to 24:00"),
        ("MON FRI 06:00-07:00", "is no rule"),
        ("9999-12-31", "too far away"),
        ("MON," * 40 + "TUE", "too long"),
        ("SUN\n" * 1001, "the limit is 1,000"),
    ],
)
def test_rules_that_cannot_be_read_are_refused_with_the_mend(rules, named):
    with pytest.raises(ScheduleError, match=re.escape(named)):
        calendar.read(rules)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # from Friday, 2026-12-25 12:00
        (Schedule("CRON", "0 9 * * *", calendar="SAT-SUN"), ["2026-12-28T09:00", "2026-12-29T09:00"]),
        # a fixed rate keeps its grid
        (Schedule("FIX_RATE", "36000", calendar="SAT-SUN"), ["2026-12-25T22:00", "2026-12-28T00:00"]),
        (Schedule("FIX_RATE", "36000", calendar="SAT-MON"), ["2026-12-25T22:00", "2026-12-29T06:00"]),
        # a fixed delay has none
        (Schedule("FIX_DELAY", "43200", calendar="SAT-SUN"), ["2026-12-28T00:00"]),
        (Schedule("ONCE", "2026-12-26T10:00", calendar="SAT-SUN"), []),
        (Schedule("CRON", "0 9 * * *", calendar="SAT-SUN", end_at=ms("2026-12-28T08:00")), []),
    ],
)
def test_a_schedule_keeps_to_its_calendar(schedule, expected):
    times = upcoming(schedule, ms("2026-12-25T12:00"), 2)

    assert [shown(at) for at in times] == expected


def test_a_calendar_is_read_by_the_clock_of_the_jobs_zone():
    schedule = Schedule("CRON", "0 * * * *", "Asia/Shanghai", calendar="SAT-SUN")

    assert shown(next_fire(schedule, ms("2026-12-25T15:30")), "Asia/Shanghai") == "2026-12-28T00:00"


@pytest.mark.parametrize(
    ("at", "free"),
    [
        # the window ends in an hour that is dropped: right after the gap
        (ms("2026-03-08T01:10", "America/New_York"), ms("2026-03-08T03:00", "America/New_York")),
        # it ends in one that is repeated: each pass has its end
        (ms("2026-11-01T01:10", "America/New_York"), ms("2026-11-01T01:30", "America/New_York")),
        (ms("2026-11-01T01:10", "America/New_York", 1), ms("2026-11-01T01:30", "America/New_York", 1)),
    ],
)
def test_a_window_on_a_day_on_which_clocks_change(at, free):
    end = "02:30" if free == ms("2026-03-08T03:00", "America/New_York") else "01:30"
    found = calendar.read(f"01:00-{end}").free_from(at, ZoneInfo("America/New_York"))

    assert found == free


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("CRON", "0 9 * * SAT", calendar="SAT-SUN"),
        Schedule("CRON", "0 9 * * *", calendar="08:00-10:00"),
        Schedule("FIX_RATE", "7", calendar="MON-SUN"),
        Schedule("ONCE", "2026-12-26T10:00", calendar="2026-12-26"),
    ],
)
def test_a_calendar_that_leaves_nothing_is_refused(schedule):
    with pytest.raises(ScheduleError, match="leaves out every time"):
        check(schedule)


RULES = st.lists(
    st.sampled_from(
        ["SAT-SUN", "MON 03:00-09:30", "22:00-06:00", "2026-06-01..2026-07-15", "WED", "02:00-02:30"]
    ),
    min_size=1,
    max_size=4,
).map("\n".join)
KINDS = st.sampled_from(
    [("CRON", "*/13 * * * *"), ("CRON", "30 2 * * *"), ("FIX_RATE", "1700"), ("FIX_RATE", "86400")]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])


@settings(max_examples=150, deadline=None)
@given(KINDS, RULES, ZONES, st.integers(ms("2026-01-01"), ms("2027-01-01")))
def test_exactly_the_excluded_times_are_left_out(kind, rules, zone, after_ms):
    kept, all_times = Schedule(*kind, zone, calendar=rules), Schedule(*kind, zone)
    found = next_fire(kept, after_ms)
    at = next_fire(all_times, after_ms)
    for _ in range(1_000):
        free = calendar.read(rules).free_from(at, ZoneInfo(zone))
        assert free is None or free >= at
        if free == at:
            break
        at = following(all_times, at, at)
    else:
        return

    assert found == at


@settings(max_examples=100, deadline=None)
@given(RULES, ZONES, st.integers(ms("2026-01-01"), ms("2027-01-01")))
def test_what_is_free_stays_free_and_is_the_first_such_minute(rules, zone, at):
    read = calendar.read(rules)
    at -= at % 60_000
    free = read.free_from(at, ZoneInfo(zone))

    assert read.free_from(free, ZoneInfo(zone)) == free
    step = timedelta(minutes=17) // timedelta(milliseconds=1)
    assert all(read.free_from(each, ZoneInfo(zone)) != each for each in range(at, free, step))
