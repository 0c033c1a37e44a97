"""Which days of a month an expression means: one small class for each kind of day field.

Weekdays are numbered as Quartz does, 1 for Sunday to 7 for Saturday. Rules know nothing of the months
and years an expression allows; `pattern.py` asks them month by month.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

SUNDAY, SATURDAY = 1, 7
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY = timedelta(days=1)


class DayRule(Protocol):
    """Answers for one month at a time."""

    def first(self, year: int, month: int, from_day: int) -> int | None:
        """The first day meant in this month that is not before `from_day`."""

    def entrance(self, start: date) -> date:
        """Where a search that may begin on `start` does begin: there, or a little later."""


class _FromItsStart:
    """A search begins where it may."""

    __slots__ = ()

    def entrance(self, start: date) -> date:
        return start


@dataclass(frozen=True, slots=True)
class Days(_FromItsStart):
    """`1,15,31`: these days, in months that have them."""

    days: tuple[int, ...]
    """In order."""

    def first(self, year: int, month: int, from_day: int) -> int | None:
        index = bisect_left(self.days, from_day)
        if index == len(self.days):
            return None
        day = self.days[index]
        return day if day <= 28 or day <= length(year, month) else None


@dataclass(frozen=True, slots=True)
class LastDay(_FromItsStart):
    """`L` and `L-3`: so many days before the last of the month."""

    days_before: int

    def first(self, year: int, month: int, from_day: int) -> int | None:
        return _reached(length(year, month) - self.days_before, from_day)


@dataclass(frozen=True, slots=True)
class LastWorkday(_FromItsStart):
    """`LW` and `L-3W`: the weekday nearest to that day, in the same month."""

    days_before: int

    def first(self, year: int, month: int, from_day: int) -> int | None:
        # a month that is too short is left out: Quartz would look for its day again and again
        return _reached(nearest_workday(year, month, length(year, month) - self.days_before), from_day)


@dataclass(frozen=True, slots=True)
class NearestWorkday:
    """`15W`: the weekday nearest to this day, as Quartz finds it in months that lack the day.

    There it takes the day from the next month's beginning, so that 31W names Friday, 30 April when
    1 May is a Saturday, and no day in most short months. And one that has passed this month's day
    goes on from the same day of the next month; if that lies beyond the month's end, the month is
    left out, whatever day it names.
    """

    day: int

    def first(self, year: int, month: int, from_day: int) -> int | None:
        day = nearest_workday(year, month, self.day)
        return _reached(day, from_day) if day <= length(year, month) else None

    def entrance(self, start: date) -> date:
        if nearest_workday(start.year, start.month, self.day) >= start.day:
            return start
        return _begin_of_next_month(start) + (self.day - 1) * _DAY if self._leaves_out_next(start) else start

    def _leaves_out_next(self, start: date) -> bool:
        following = _begin_of_next_month(start)
        return self.day > length(following.year, following.month)


@dataclass(frozen=True, slots=True)
class Weekdays(_FromItsStart):
    """`MON-FRI`: every such day."""

    weekdays: frozenset[int]

    def first(self, year: int, month: int, from_day: int) -> int | None:
        today = weekday(year, month, from_day)
        for ahead in range(7):
            if (today - 1 + ahead) % 7 + 1 in self.weekdays:
                day = from_day + ahead
                return day if day <= length(year, month) else None
        return None


@dataclass(frozen=True, slots=True)
class NthWeekday(_FromItsStart):
    """`6#3`: the third Friday, in months that have it."""

    weekday: int
    nth: int

    def first(self, year: int, month: int, from_day: int) -> int | None:
        if self.weekday > SATURDAY:  # Quartz reads 8#1, and never finds such a day
            return None
        day = 1 + (self.weekday - weekday(year, month, 1)) % 7 + 7 * (self.nth - 1)
        return _reached(day, from_day) if day <= length(year, month) else None


@dataclass(frozen=True, slots=True)
class LastOfWeekday(_FromItsStart):
    """`6L`: the last Friday."""

    weekday: int

    def first(self, year: int, month: int, from_day: int) -> int | None:
        last = length(year, month)
        return _reached(last - (weekday(year, month, last) - self.weekday) % 7, from_day)


@dataclass(frozen=True, slots=True)
class Either(_FromItsStart):
    """Days of the month or of the week, as standard cron takes two day fields: whichever comes first."""

    rules: tuple[DayRule, ...]

    def first(self, year: int, month: int, from_day: int) -> int | None:
        found = (rule.first(year, month, from_day) for rule in self.rules)
        return min((day for day in found if day is not None), default=None)


def length(year: int, month: int) -> int:
    """How many days this month has."""
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month - 1]


def weekday(year: int, month: int, day: int) -> int:
    """1 for Sunday to 7 for Saturday."""
    return date(year, month, day).isoweekday() % 7 + 1


def nearest_workday(year: int, month: int, day: int) -> int:
    """The Monday to Friday nearest to this day, in the same month; `day` may lie outside of it."""
    found = (date(year, month, 1) + (day - 1) * _DAY).isoweekday() % 7 + 1
    if found == SATURDAY:
        return day - 1 if day != 1 else day + 2
    if found == SUNDAY:
        return day + 1 if day != length(year, month) else day - 2
    return day


def ordered(values: Iterable[int]) -> tuple[int, ...]:
    """Without repetition, in order."""
    return tuple(sorted(set(values)))


def _reached(day: int, from_day: int) -> int | None:
    return day if day >= max(from_day, 1) else None


def _begin_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
