"""Days on which clocks change, with every rule a job may have, in both dialects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from baton.errors import ScheduleError
from baton.schedule import Schedule, next_fire

DAY_MS = 86_400_000
MINUTE = timedelta(minutes=1)
ZONES = ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo"]
RULES = list(product(["RUN_AFTER", "SKIP"], ["ONCE", "BOTH"]))


def ms(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def fires(expression: str, zone: str, day: str, gap: str, fold: str) -> list[str]:
    """From midnight of a day to the next."""
    at = ms(day, zone) - 1
    end = ms(f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}", zone)
    found = []
    while (at := next_fire(Schedule("CRON", expression, zone, gap, fold), at)) is not None and at < end:
        found.append(f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%H:%M:%S %z}")
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "day", "after_gap", "skipped"),
    [
        ("30 2 * * *", "America/New_York", "2026-03-08", ["03:00:00 -0400"], []),
        ("0 30 2 * * ?", "America/New_York", "2026-03-08", ["03:00:00 -0400"], []),
        ("0 30 1-3 * * ?", "America/New_York", "2026-03-08",
         ["01:30:00 -0500", "03:00:00 -0400", "03:30:00 -0400"], ["01:30:00 -0500", "03:30:00 -0400"]),
        ("0 0 2,3 * * ?", "America/New_York", "2026-03-08", ["03:00:00 -0400"], ["03:00:00 -0400"]),
        ("* * 2 * * ?", "America/New_York", "2026-03-08", ["03:00:00 -0400"], []),
        ("0 0 2 ? * 1#2 2026", "America/New_York", "2026-03-08", ["03:00:00 -0400"], []),
        ("15,45 1 * * *", "Europe/London", "2026-03-29", ["02:00:00 +0100"], []),
        ("0 15,45 1 L-2 3 ?", "Europe/London", "2026-03-29", ["02:00:00 +0100"], []),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["02:30:00 +1100"], []),
        ("20 15 2 * * ?", "Australia/Lord_Howe", "2026-10-04", ["02:30:00 +1100"], []),
        ("20 45 2 * * ?", "Australia/Lord_Howe", "2026-10-04", ["02:45:20 +1100"], ["02:45:20 +1100"]),
        # the day begins with the gap
        ("0 0 0 * * ?", "Africa/Cairo", "2026-04-24", ["01:00:00 +0300"], []),
        ("0 0,1 * * *", "Africa/Cairo", "2026-04-24", ["01:00:00 +0300"], ["01:00:00 +0300"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fold", ["ONCE", "BOTH"])
def test_a_time_that_the_clock_jumps_over(expression, zone, day, after_gap, skipped, fold):
    assert fires(expression, zone, day, "RUN_AFTER", fold) == after_gap
    assert fires(expression, zone, day, "SKIP", fold) == skipped


@pytest.mark.parametrize(
    ("expression", "zone", "day", "once", "both"),
    [
        ("30 1 * * *", "America/New_York", "2026-11-01",
         ["01:30:00 -0400"], ["01:30:00 -0400", "01:30:00 -0500"]),
        ("0 10,40 1,2 * * ?", "America/New_York", "2026-11-01",
         ["01:10:00 -0400", "01:40:00 -0400", "02:10:00 -0500", "02:40:00 -0500"],
         ["01:10:00 -0400", "01:40:00 -0400", "01:10:00 -0500", "01:40:00 -0500", "02:10:00 -0500",
          "02:40:00 -0500"]),
        ("5 0 1 ? 11 1#1", "America/New_York", "2026-11-01",
         ["01:00:05 -0400"], ["01:00:05 -0400", "01:00:05 -0500"]),
        ("0 30 1 LW * ?", "Europe/London", "2026-10-30", ["01:30:00 +0000"], ["01:30:00 +0000"]),
        ("0 30 1 ? 10 SUNL", "Europe/London", "2026-10-25",
         ["01:30:00 +0100"], ["01:30:00 +0100", "01:30:00 +0000"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05",
         ["01:45:00 +1100"], ["01:45:00 +1100", "01:45:00 +1030"]),
        ("0 0/20 1 * * ?", "Australia/Lord_Howe", "2026-04-05",
         ["01:00:00 +1100", "01:20:00 +1100", "01:40:00 +1100"],
         ["01:00:00 +1100", "01:20:00 +1100", "01:40:00 +1100", "01:40:00 +1030"]),
        # the hour before midnight is repeated, and belongs to the day before
        ("0 30 23 * * ?", "Africa/Cairo", "2026-10-29",
         ["23:30:00 +0300"], ["23:30:00 +0300", "23:30:00 +0200"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gap", ["RUN_AFTER", "SKIP"])
def test_a_time_that_the_clock_shows_twice(expression, zone, day, once, both, gap):
    assert fires(expression, zone, day, gap, "ONCE") == once
    assert fires(expression, zone, day, gap, "BOTH") == both


@pytest.mark.parametrize(("gap", "fold"), RULES)
@pytest.mark.parametrize(
    ("expression", "count"),
    [("0 0/15 * * * ?", 4), ("*/15 * * * *", 4), ("0 0/15 0/1 * * ?", 4), ("30 * * * *", 1)],
)
def test_an_interval_does_not_care(expression, count, gap, fold):
    spring = fires(expression, "America/New_York", "2026-03-08", gap, fold)
    autumn = fires(expression, "America/New_York", "2026-11-01", gap, fold)

    assert (len(spring), len(autumn)) == (23 * count, 25 * count)


def test_every_second_of_a_repeated_hour_is_found_at_once():
    """From the second pass, an hour of times of day that have run already is passed over in one step."""
    second_pass = ms("2026-11-01T01:00", "America/New_York") + 3_600_000 + 1000

    assert next_fire(Schedule("CRON", "* * 1 * * ?", "America/New_York"), second_pass) == ms(
        "2026-11-02T01:00", "America/New_York"
    )


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"gap": "MAYBE"}, "gap rule 'MAYBE' is not known: use one of RUN_AFTER, SKIP"),
        ({"fold": "THRICE"}, "fold rule 'THRICE' is not known: use one of ONCE, BOTH"),
    ],
)
def test_an_unknown_rule_is_refused_with_the_choice(rules, text):
    with pytest.raises(ScheduleError, match=text):
        next_fire(Schedule("CRON", "0 0 * * *", **rules), 0)


# against an oracle that looks at every minute


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "expression", ["*/15 * * * *", "5 */2 * * *", "*/20 1-2 * * *", "30 0,1,2,23 * * *", "0 0 * * *"]
)
@pytest.mark.parametrize("dialect", ["standard", "quartz"])
@pytest.mark.parametrize(("gap", "fold"), RULES)
def test_fire_times_are_those_an_oracle_finds_minute_by_minute(dialect, expression, zone, gap, fold):
    asked = expression if dialect == "standard" else f"0 {expression[:-1]}?"
    for start in noons_before_a_change(zone):
        after, end = start - 1, start + DAY_MS
        found = []
        while (after := next_fire(Schedule("CRON", asked, zone, gap, fold), after)) < end:
            found.append(after)
        assert found == list(oracle(expression, ZoneInfo(zone), start, end, gap, fold))


def noons_before_a_change(zone: str) -> list[int]:
    """The last noons (UTC) before the clocks change in 2026."""
    noons = [datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(365)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    changes = [noons[n] for n in range(364) if offsets[n] != offsets[n + 1]]
    assert len(changes) == 2
    return [round(change.timestamp() * 1000) for change in changes]


def oracle(expression: str, zone: ZoneInfo, start: int, end: int, gap: str, fold: str) -> Iterator[int]:
    """Look at every minute: what does the clock show, and what has it just jumped over?"""
    hour = expression.split()[1]
    is_interval = "*" in hour or "/" in hour
    for at in range(start, end, 60_000):
        now = datetime.fromtimestamp(at / 1000, zone).replace(tzinfo=None)
        before = datetime.fromtimestamp(at / 1000 - 60, zone).replace(tzinfo=None)
        shown = [now] if is_interval or fold == "BOTH" or not now.fold else []
        while not is_interval and gap == "RUN_AFTER" and before + MINUTE < now:
            before += MINUTE
            shown.append(before)
        if any(matches(expression, each.replace(fold=0)) for each in shown):
            yield at


@cache
def matches(expression: str, wall: datetime) -> bool:
    return croniter.match(expression, wall)
