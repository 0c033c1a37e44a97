"""Days of a time zone, in pieces that cover them without a gap."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from baton.store.report_rows import DAY, HOUR
from dashboard.queries import report_days

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


def ms(text: str, zone=UTC) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_the_day_it_is_depends_on_the_zone():
    now_ms = ms("2026-01-01T23:30")
    assert report_days.today(now_ms, UTC) == date(2026, 1, 1)
    assert report_days.today(now_ms, BERLIN) == date(2026, 1, 2)


def test_several_days_are_shown_by_day_and_follow_each_other():
    days = report_days.between(date(2025, 3, 28), date(2025, 4, 1), ms("2025-04-01T12:00"), BERLIN)

    assert (days.span, days.count) == (DAY, 5)
    assert [piece.period for piece in days.pieces][:2] == ["2025-03-28", "2025-03-29"]
    assert all(before.to_ms == after.from_ms for before, after in pairwise(days.pieces))
    assert [(piece.to_ms - piece.from_ms) // HOUR_MS for piece in days.pieces] == [24, 24, 23, 24, 24]


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-07-01", 24)])
def test_a_single_day_is_shown_by_the_hour(day, hours):
    wanted = date.fromisoformat(day)
    days = report_days.between(wanted, wanted, ms(f"{day}T20:00"), BERLIN)

    assert days.span == HOUR
    assert len(days.pieces) == hours
    assert len({piece.period for piece in days.pieces}) == hours
    assert days.pieces[0].from_ms == ms(f"{day}T00:00", BERLIN)


def test_a_day_of_long_ago_has_no_hours():
    days = report_days.between(date(2026, 1, 1), date(2026, 1, 1), ms("2026-02-01T00:00"), UTC)
    assert [piece.period for piece in days.pieces] == ["2026-01-01"]


def test_hours_of_a_zone_that_is_half_an_hour_off_begin_at_half_past():
    india = ZoneInfo("Asia/Kolkata")
    days = report_days.between(date(2026, 1, 1), date(2026, 1, 1), ms("2026-01-01T12:00"), india)
    assert days.pieces[1].short == "00:30"
    assert days.pieces[0].from_ms <= ms("2026-01-01T00:00", india)
    assert days.pieces[-1].to_ms >= ms("2026-01-02T00:00", india)


def test_of_many_days_the_newest_are_shown():
    days = report_days.between(date(2000, 1, 1), date(2026, 1, 1), ms("2026-01-01T12:00"), UTC)
    assert days.count == report_days.LONGEST_DAYS
    assert days.last == date(2026, 1, 1)
