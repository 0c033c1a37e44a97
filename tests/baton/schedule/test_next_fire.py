"""Fire times, also on the days on which clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import check, next_fire


def ms(text: str, zone: str, fold: int = 0) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def fires(expression: str, zone: str, start: str, end: str) -> list[str]:
    at, last = ms(start, zone) - 1, ms(end, zone)
    found = []
    while (at := next_fire("CRON", expression, zone, at)) is not None and at < last:
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
        # half an hour
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03", "2026-10-06",
         ["03 02:15 +1030", "04 02:30 +1100", "05 02:15 +1100"]),
        # an interval does not care about the wall clock
        ("0 * * * *", "Europe/Berlin", "2026-03-29", "2026-03-29T05:00",
         ["29 00:00 +0100", "29 01:00 +0100", "29 03:00 +0200", "29 04:00 +0200"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:30", "2026-10-25T03:30",
         ["25 01:30 +0200", "25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100",
          "25 03:00 +0100"]),
        ("0 0 29 2 *", "UTC", "2026-01-01", "2029-01-01", ["29 00:00 +0000"]),
        ("0 9 * * MON-FRI", "Asia/Kolkata", "2026-11-20", "2026-11-24", ["20 09:00 +0530", "23 09:00 +0530"]),
    ],
)  # fmt: skip
def test_fire_times(expression, zone, start, end, expected):
    assert fires(expression, zone, start, end) == expected


def test_an_expression_that_never_fires_has_no_next_time():
    assert next_fire("CRON", "0 0 30 2 *", "UTC", 0) is None


def test_a_job_without_schedule_has_no_next_time():
    assert next_fire("NONE", "", "UTC", 0) is None


def test_a_fixed_rate_keeps_its_grid():
    assert next_fire("FIX_RATE", "7", "UTC", 1_000_500) == 1_007_500


@pytest.mark.parametrize(
    ("schedule_type", "conf", "zone", "text"),
    [
        ("CRON", "* * * *", "UTC", "has 4 fields; it needs 5"),
        ("CRON", "0 0 12 * * ?", "UTC", "has 6 fields: write the 5 fields"),
        ("CRON", "0 0 12 * * ? 2030", "UTC", "has 7 fields"),
        ("CRON", "61 * * * *", "UTC", "'61 . . . .' cannot be read"),
        ("CRON", "1-100000000 * * * *", "UTC", "'1-100000000' is not a cron field"),
        ("CRON", "R * * * *", "UTC", "'R' is not a cron field"),
        ("CRON", "* " * 100, "UTC", "has 200 characters; the limit is 128"),
        ("CRON", "0 0 * * *", "Mars/Olympus", "time zone 'Mars/Olympus' is not known here"),
        ("CRON", "0 0 * * *", "../etc/passwd", "is not known here"),
        ("NONE", "", "", "time zone '' is not known here"),
        ("FIX_RATE", "0", "UTC", "whole number of seconds from 1"),
        ("FIX_RATE", "1.5", "UTC", "not '1.5'"),
        ("FIX_RATE", "٣", "UTC", "whole number"),
        ("SOMETIMES", "1", "UTC", "use one of NONE, CRON, FIX_RATE"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(schedule_type, conf, zone, text):
    with pytest.raises(ScheduleError, match=text):
        check(schedule_type, conf, zone)


EXPRESSIONS = st.sampled_from(
    [
        "* * * * *",
        "*/7 * * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15 1,2,3 * * *",
        "0 */3 * * *",
        "0 12 1 * *",
        "5 4 * * SUN",
    ]
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, ZONES, st.integers(1_600_000_000_000, 1_900_000_000_000))
def test_the_next_time_is_always_later_and_nothing_lies_between(expression, zone, after_ms):
    following = next_fire("CRON", expression, zone, after_ms)
    assert following is not None
    assert following > after_ms
    assert next_fire("CRON", expression, zone, following - 1) == following
