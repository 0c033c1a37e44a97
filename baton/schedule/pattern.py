"""The wall-clock times an expression names, whatever its dialect: a walk through the calendar.

Nothing here knows time zones: walls are naive datetimes of whole seconds. What they come to on days
on which clocks change is told in `daylight.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from .days import DayRule

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What each field allows, in order. None is empty, but for `years`."""

    seconds: Sequence[int]
    minutes: Sequence[int]
    hours: Sequence[int]
    days: DayRule
    months: Sequence[int]
    years: Sequence[int]
    follows_real_time: bool
    """Whether it is an interval, as every hour, rather than a list of times of day."""

    def first_at(self, wall: datetime) -> datetime | None:
        """The first wall-clock time named that is not before `wall`; None if no year has another."""
        time = self._time_at(wall.hour, wall.minute, wall.second)
        day = wall.date()
        if time is None:
            day, time = day + _DAY, self._first_time()
        found = self._day_at(day)
        if found is None:
            return None
        if found != day:
            time = self._first_time()
        return datetime(found.year, found.month, found.day, *time)  # noqa: DTZ001  a wall has no zone

    def _first_time(self) -> tuple[int, int, int]:
        return self.hours[0], self.minutes[0], self.seconds[0]

    def _time_at(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """The first time of day that is not before this one."""
        at_hour = _first(self.hours, hour)
        if at_hour is None or at_hour > hour:
            return None if at_hour is None else (at_hour, self.minutes[0], self.seconds[0])
        at_minute = _first(self.minutes, minute)
        if at_minute == minute:
            at_second = _first(self.seconds, second)
            if at_second is not None:
                return hour, minute, at_second
            at_minute = _first(self.minutes, minute + 1)
        if at_minute is not None:
            return hour, at_minute, self.seconds[0]
        later = _first(self.hours, hour + 1)
        return None if later is None else (later, self.minutes[0], self.seconds[0])

    def _day_at(self, day: date) -> date | None:
        start = self.days.entrance(day)
        for year in self.years[bisect_left(self.years, start.year) :]:
            from_month = start.month if year == start.year else 1
            for month in self.months[bisect_left(self.months, from_month) :]:
                is_first = year == start.year and month == start.month
                found = self.days.first(year, month, start.day if is_first else 1)
                if found is not None:
                    return date(year, month, found)
        return None


def _first(values: Sequence[int], at_least: int) -> int | None:
    index = bisect_left(values, at_least)
    return values[index] if index < len(values) else None
