"""Exclusion calendars: days and times of day at which nothing fires. One rule a line:

    2026-12-25                  a day
    2026-12-24..2027-01-06      days, both included
    SAT-SUN                     every week; also SUN, or MON,WED, or FRI-MON
    MON-FRI 00:00-06:00         every week, from and until a time of day
    22:00-06:00                 every day; it goes on into the next

They are read by the wall clock of the job's zone. What follows a `#` is for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol

from ..errors import ScheduleError
from . import zone as zones

MOST_RULES = 1000
LONGEST_CHARS = 64
"""Of one rule, without what is said to people."""
_MOST_STEPS = 1000
"""From one excluded stretch to the next: beyond that, nothing is left of the week."""
_DAY = timedelta(days=1)
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s*\.\.\s*(\d{4}-\d\d-\d\d))?", re.ASCII)
_TIMES = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Rule(Protocol):
    def end_at(self, wall: datetime) -> datetime | None:
        """When the exclusion with `wall` in it ends; None if `wall` is not excluded."""


@dataclass(frozen=True, slots=True)
class _Dates:
    first: date
    last: date

    def end_at(self, wall: datetime) -> datetime | None:
        if not self.first <= wall.date() <= self.last:
            return None
        return datetime.combine(self.last + _DAY, time.min)


@dataclass(frozen=True, slots=True)
class _Weekly:
    weekdays: frozenset[int]
    begin: timedelta
    end: timedelta
    """After midnight of the day on which it begins; more than a day if it goes on into the next."""

    def end_at(self, wall: datetime) -> datetime | None:
        for day in (wall.date() - _DAY, wall.date()):
            midnight = datetime.combine(day, time.min)
            if day.weekday() in self.weekdays and midnight + self.begin <= wall < midnight + self.end:
                return midnight + self.end
        return None


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What the rules of a calendar come to."""

    rules: tuple[_Rule, ...]

    def free_from(self, at_ms: int, zone: tzinfo) -> int | None:
        """`at_ms` if it is not excluded, else the end of that; None if there is none."""
        at = _EPOCH + at_ms * _MILLISECOND
        wall = zones.wall_of(at, zone).replace(fold=0)
        free = self._free_wall(wall)
        if free == wall:
            return at_ms
        if free is None:
            return None
        instants = zones.instants_of(free, zone) or [zones.end_of_gap(free, zone)]
        # back in a repeated hour the clock shows the end of the exclusion again, for the second time
        instant = next((each for each in instants if each > at), instants[-1])
        return (instant - _EPOCH) // _MILLISECOND

    def _free_wall(self, wall: datetime) -> datetime | None:
        for _ in range(_MOST_STEPS):
            ends = [end for rule in self.rules if (end := rule.end_at(wall))]
            if not ends:
                return wall
            wall = max(ends)
        return None


@lru_cache(maxsize=1024)
def read(text: str) -> Exclusions:
    """The rules of a calendar; raises `ScheduleError`, naming each wrong line and the mend."""
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1)]
    written = [(number, line) for number, line in lines if line]
    if len(written) > MOST_RULES:
        raise ScheduleError(
            f"the calendar has {len(written):,} rules; the limit is {MOST_RULES:,}: use ranges"
        )
    rules: list[_Rule] = []
    problems: list[str] = []
    for number, line in written:
        try:
            rules.append(_read_rule(line.upper()))
        except ValueError as problem:
            problems.append(f"calendar, line {number}: {line[:LONGEST_CHARS]!r} {problem}")
    if problems:
        raise ScheduleError(*problems)
    return Exclusions(tuple(rules))


def _read_rule(line: str) -> _Rule:
    if len(line) > LONGEST_CHARS:
        raise ValueError("is too long for a rule")
    dates = _DATES.fullmatch(line)
    if dates:
        return _read_dates(*dates.groups())
    *days, times = line.split()
    if len(days) > 1:
        raise ValueError(_WRITE)
    if not _TIMES.fullmatch(times):
        if days:
            raise ValueError(_WRITE)
        return _Weekly(_read_weekdays(times), timedelta(0), _DAY)
    return _Weekly(_read_weekdays(days[0] if days else "MON-SUN"), *_read_times(times))


_WRITE = "is no rule: write 2026-12-25, 2026-12-24..2027-01-06, SAT-SUN, MON-FRI 00:00-06:00, or 22:00-06:00"


def _read_dates(first: str, last: str | None) -> _Dates:
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as problem:
        raise ValueError(f"names a day that cannot be: {problem}") from None
    if end < begin:
        raise ValueError("ends before it begins: write the earlier day first")
    if end.year >= date.max.year:
        raise ValueError("is too far away")
    return _Dates(begin, end)


def _read_weekdays(text: str) -> frozenset[int]:
    return frozenset(day for part in text.split(",") for day in _read_days_of(part))


def _read_days_of(part: str) -> Iterator[int]:
    first, _, last = part.partition("-")
    if first not in _WEEKDAYS or (last or first) not in _WEEKDAYS:
        raise ValueError(_WRITE)
    day, stop = _WEEKDAYS.index(first), _WEEKDAYS.index(last or first)
    yield day
    while day != stop:
        day = (day + 1) % len(_WEEKDAYS)
        yield day


def _read_times(text: str) -> tuple[timedelta, timedelta]:
    begin_h, begin_m, end_h, end_m = (int(part) for part in re.split("[:-]", text))
    begin, end = timedelta(hours=begin_h, minutes=begin_m), timedelta(hours=end_h, minutes=end_m)
    if max(begin_m, end_m) > 59 or begin >= _DAY or end > _DAY or end == begin:
        raise ValueError("has a time that cannot be: write from 00:00 to 24:00, as 22:00-06:00")
    return begin, end if end > begin else end + _DAY
