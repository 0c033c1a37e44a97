"""Which days a report is about, and in which pieces it shows them. Pure.

A day is one of the reports' time zone. A single day that is not long ago is shown by the hour; hours are
those of UTC, so in a zone that is half an hour off they begin at half past.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from baton.store.report_rows import DAY, HOUR, HOURS_KEPT, hour_of

LONGEST_DAYS = 366
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A day or an hour, as a bar shows it."""

    period: str
    """Its name in the table of reports."""
    short: str
    """For an axis: `21 Nov`, `14:00`."""
    long: str
    """`Fri 21 Nov 2025`, `14:00 to 15:00`."""
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Days:
    """The days from `first` to `last`."""

    first: date
    last: date
    span: str
    pieces: tuple[Piece, ...]
    zone: str
    """The time zone, by its name."""

    @property
    def count(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1


def today(now_ms: int, zone: tzinfo) -> date:
    """The day it is in that zone."""
    return datetime.fromtimestamp(now_ms / 1000, zone).date()


def between(first: date, last: date, now_ms: int, zone: tzinfo) -> Days:
    """These days, at most `LONGEST_DAYS` of them: the newest."""
    first = max(first, last - timedelta(days=LONGEST_DAYS - 1))
    begins_ms = _midnight_ms(first, zone)
    if first == last and begins_ms >= now_ms - (HOURS_KEPT - 1) * 3_600_000:
        return Days(first, last, HOUR, _hours(first, zone), str(zone))
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return Days(first, last, DAY, tuple(_day(each, zone) for each in days), str(zone))


def _day(day: date, zone: tzinfo) -> Piece:
    return Piece(
        day.isoformat(),
        f"{day.day} {day:%b}",
        f"{day:%a} {day.day} {day:%b %Y}",
        _midnight_ms(day, zone),
        _midnight_ms(day + timedelta(days=1), zone),
    )


def _hours(day: date, zone: tzinfo) -> tuple[Piece, ...]:
    """23 on the day on which the clock goes forward, 25 on the other."""
    begins = datetime.fromtimestamp(_midnight_ms(day, zone) / 1000, UTC).replace(minute=0)
    ends_ms = _midnight_ms(day + timedelta(days=1), zone)
    pieces: list[Piece] = []
    while (from_ms := round(begins.timestamp() * 1000)) < ends_ms:
        ends = begins + _HOUR
        short, until = (each.astimezone(zone).strftime("%H:%M") for each in (begins, ends))
        to_ms = round(ends.timestamp() * 1000)
        pieces.append(Piece(hour_of(from_ms), short, f"{short} to {until}", from_ms, to_ms))
        begins = ends
    return tuple(pieces)


def _midnight_ms(day: date, zone: tzinfo) -> int:
    # where the clock jumps over midnight this is the moment of the jump
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)
