"""Fire times, also on the days on which clocks change."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import Schedule, check, following, next_fire, upcoming


def ms(text: str, zone: str, fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def fires(expression: str, zone: str, start: str, end: str) -> list[str]:
    at, last = ms(start, zone) - 1, ms(end, zone)
    found = []
    while (at := next_fire(Schedule("CRON", expression, zone), at)) is not None and at < last:
        found.append(f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "start", "end", "expected"),
    [
        # a wall-clock time that does not exist: once, right after the gap
        ("30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-31",
         ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]),
        ("30 2 * * *", "America/New_York", "2026-03-07", "2026-03-09", ["07 02:30 -0500", "08 03:00 -0400"]),
        ("10,40 2 * * *", "Europe/London", "2026-03-29", "2026-03-30", ["29 02:10 +0100", "29 02:40 +0100"]),
        ("10,40 1 * * *", "Europe/London", "2026-03-29", "2026-03-30", ["29 02:00 +0100"]),
        # one that happens twice: once, the first time
        ("30 2 * * *", "Europe/Berlin", "2026-10-24", "2026-10-27",
         ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]),
        ("30 1 * * *", "America/New_York", "2026-11-01", "2026-11-02", ["01 01:30 -0400"]),
        # a day that begins with a gap is not skipped
        ("0 0 * * *", "Africa/Cairo", "2026-04-23", "2026-04-26",
         ["23 00:00 +0200", "24 01:00 +0300", "25 00:00 +0300"]),
        # times in the hour before midnight are repeated, and belong to the day before
        ("30 23 * * *", "Africa/Cairo", "2026-10-29", "2026-10-31", ["29 23:30 +0300", "30 23:30 +0200"]),
        ("30 * * * *", "Africa/Cairo", "2026-10-29T22:00", "2026-10-30T01:00",
         ["29 22:30 +0300", "29 23:30 +0300", "29 23:30 +0200", "30 00:30 +0200"]),
        # half an hour
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", "2026-10-06",
         ["03 02:15 +1030", "04 02:30 +1100", "05 02:15 +1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", "2026-04-06", ["05 01:45 +1100"]),
        ("*/15 1-23/1 * * *", "Australia/Lord_Howe", "2026-04-05T01:30", "2026-04-05T02:01",
         ["05 01:30 +1100", "05 01:45 +1100", "05 01:30 +1030", "05 01:45 +1030", "05 02:00 +1030"]),
        # an interval does not care about the wall clock
        ("0 * * * *", "Europe/Berlin", "2026-03-29", "2026-03-29T05:00",
         ["29 00:00 +0100", "29 01:00 +0100", "29 03:00 +0200", "29 04:00 +0200"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:30", "2026-10-25T03:30",
         ["25 01:30 +0200", "25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100",
          "25 03:00 +0100"]),
        # its steps begin anew at midnight, whatever the clock did
        ("0 */5 * * *", "America/New_York", "2026-03-08", "2026-03-09",
         ["08 00:00 -0500", "08 05:00 -0400", "08 10:00 -0400", "08 15:00 -0400", "08 20:00 -0400"]),
        # a range of hours names times of day
        ("30 1-3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-30",
         ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]),
        # a whole day that an island skipped
        ("0 12 * * *", "Pacific/Apia", "2011-12-29", "2012-01-01",
         ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]),
        ("0 */12 * * *", "Pacific/Apia", "2011-12-29", "2012-01-01",
         ["29 00:00 -1000", "29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]),
        # days
        ("0 0 29 2 *", "UTC", "2026-01-01", "2029-01-01", ["29 00:00 +0000"]),
        ("0 9 * * MON-FRI", "Asia/Kolkata", "2026-11-20", "2026-11-24", ["20 09:00 +0530", "23 09:00 +0530"]),
        ("0 0 1 * MON", "UTC", "2026-06-25", "2026-07-07",
         ["29 00:00 +0000", "01 00:00 +0000", "06 00:00 +0000"]),
    ],
)  # fmt: skip
def test_fire_times(expression, zone, start, end, expected):
    assert fires(expression, zone, start, end) == expected


def test_an_expression_that_never_fires_has_no_next_time():
    assert next_fire(Schedule("CRON", "0 0 30 2 *"), 0) is None


def test_a_job_without_schedule_has_no_next_time():
    assert next_fire(Schedule("NONE"), 0) is None


def test_a_fixed_rate_keeps_its_grid():
    assert next_fire(Schedule("FIX_RATE", "7"), 1_000_500) == 1_007_500


T = 1_800_000_000_000  # a whole minute


@pytest.mark.parametrize(
    ("schedule", "after_ms", "expected"),
    [
        # nothing before the start; the start itself counts
        (Schedule("CRON", "* * * * *", start_at=T), T - 10**9, [T, T + 60_000]),
        (Schedule("CRON", "* * * * *", start_at=T + 1), T - 10**9, [T + 60_000, T + 120_000]),
        (Schedule("CRON", "* * * * *", start_at=T), T, [T + 60_000, T + 120_000]),
        # a fixed rate begins at its start, and keeps to that grid whenever the job is started
        (Schedule("FIX_RATE", "10", start_at=T), T - 10**9, [T, T + 10_000]),
        (Schedule("FIX_RATE", "10", start_at=T), T + 12_345, [T + 20_000, T + 30_000]),
        # nothing after the end; the end itself counts
        (Schedule("CRON", "* * * * *", end_at=T + 60_000), T - 1, [T, T + 60_000]),
        (Schedule("FIX_RATE", "10", end_at=T + 19_999), T, [T + 10_000]),
        (Schedule("CRON", "* * * * *", start_at=T - 1, end_at=T - 1), T - 10**9, []),
    ],
)
def test_start_and_end_bound_the_times(schedule, after_ms, expected):
    assert upcoming(schedule, after_ms, 2) == expected


def test_an_end_before_the_start_is_refused():
    with pytest.raises(ScheduleError, match="ends before it starts"):
        check(Schedule("CRON", "* * * * *", start_at=T, end_at=T))


@pytest.mark.parametrize(
    ("conf", "zone", "gap", "expected"),
    [
        ("2026-12-24T18:00", "Europe/Berlin", "RUN_AFTER", "2026-12-24T17:00+00:00"),
        ("2026-12-24 18:00:30", "UTC", "SKIP", "2026-12-24T18:00:30+00:00"),
        # dropped: right after the gap, as any time of day
        ("2026-03-08T02:30", "America/New_York", "RUN_AFTER", "2026-03-08T07:00+00:00"),
        # shown twice: the first
        ("2026-10-25T01:30", "Europe/London", "RUN_AFTER", "2026-10-25T00:30+00:00"),
    ],
)
def test_a_moment_is_read_by_the_clock_of_the_jobs_zone(conf, zone, gap, expected):
    at = round(datetime.fromisoformat(expected).timestamp() * 1000)
    schedule = Schedule("ONCE", conf, zone, gap)
    check(schedule)

    assert next_fire(schedule, 0) == next_fire(schedule, at - 1) == at
    assert next_fire(schedule, at) is None
    assert upcoming(schedule, 0, 5) == [at]


@pytest.mark.parametrize(
    ("conf", "gap", "named"),
    [
        ("2026-12-24", "RUN_AFTER", "2026-12-24T18:00"),
        ("2026-12-24T18:00+01:00", "RUN_AFTER", "job's time zone"),
        ("2026-02-30T18:00", "RUN_AFTER", "day is out of range"),
        ("1969-02-03T18:00", "RUN_AFTER", "from 1970"),
        ("soon", "RUN_AFTER", "'soon' is not a date"),
        ("2026-03-08T02:30", "SKIP", "jumps over it"),
    ],
)
def test_a_moment_that_cannot_be_read_is_refused_with_the_mend(conf, gap, named):
    with pytest.raises(ScheduleError, match=re.escape(named)):
        check(Schedule("ONCE", conf, "America/New_York", gap))


def test_of_a_fixed_delay_only_the_first_time_is_known():
    assert upcoming(Schedule("FIX_DELAY", "7"), T, 5) == [T + 7_000]
    assert upcoming(Schedule("FIX_DELAY", "7", start_at=T + 1), T, 5) == [T + 1]
    with pytest.raises(ScheduleError, match="fixed delay '0' is not a number of seconds"):
        check(Schedule("FIX_DELAY", "0"))


EXPRESSIONS = st.sampled_from(
    [
        "* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "15 1,2,3 * * *", "0 */3 * * *", "0 12 1 * *",
        "5 4 * * SUN", "*/5 2 * * *",
    ]
)  # fmt: skip
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, ZONES, st.integers(1_600_000_000_000, 1_900_000_000_000))
def test_the_next_time_is_always_later_and_nothing_lies_between(expression, zone, after_ms):
    following = next_fire(Schedule("CRON", expression, zone), after_ms)
    assert following is not None
    assert following > after_ms
    assert next_fire(Schedule("CRON", expression, zone), following - 1) == following


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 366 * 86_400), st.integers(0, 2 * 10**12), st.integers(0, 10**13))
def test_a_fixed_rate_stays_on_its_grid_however_late_it_is_planned(seconds, planned_ms, late_ms):
    now_ms = planned_ms + late_ms
    at = following(Schedule("FIX_RATE", str(seconds)), planned_ms, now_ms)

    assert now_ms < at <= now_ms + seconds * 1000
    assert (at - planned_ms) % (seconds * 1000) == 0
