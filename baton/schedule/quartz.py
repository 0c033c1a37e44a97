"""Quartz cron, six or seven fields: second minute hour day month weekday, and a year if you like.

Quartz's own CronExpression (2.3) is the authority, also where it is lenient: it reads an item of a
list from the left as far as it understands it and passes over the rest (`5X` is 5), it takes no notice
of an eighth field, and 99 is `*` to it. What is refused here though Quartz takes it is listed, with the
reason, in docs/cron.md. The tests compare with times that Quartz itself found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..errors import ScheduleError
from .days import (
    SATURDAY,
    DayRule,
    Days,
    LastDay,
    LastOfWeekday,
    LastWorkday,
    NearestWorkday,
    NthWeekday,
    Weekdays,
    ordered,
)
from .pattern import Pattern

LAST_YEAR = datetime.now(UTC).year + 100
"""Quartz looks a hundred years ahead of the day on which the process began."""
_EVERY, _OPEN = 99, 98
"""Numbers that mean `*`, and `?` in the day fields, to Quartz."""
_LARGEST = 2**31 - 1
_NAME = 3
"""All names of months and weekdays have three letters."""
_MOST_DAYS_BEFORE = 30
_MOST_IN_A_MONTH = 5
_INTEGER = re.compile("[+-]?[0-9]+")
_DIGITS = re.compile("[0-9]+")
_FROM_THE_LAST = re.compile("LW?|L-[0-9]*W?")
_RANGE = re.compile("-(?P<last>[0-9]++)(?:/(?P<step>[0-9]+)|(?!/))")
_STEP = re.compile("/(?P<step>[0-9]$|[0-9]{2,})")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    largest_step: int
    words: tuple[str, ...] = ()
    """Names of the values, from `low` on."""

    @property
    def size(self) -> int:
        """After how many values it begins anew."""
        return self.high - self.low + 1


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SECOND = _Field("second", 0, 59, 59)
_MINUTE = _Field("minute", 0, 59, 59)
_HOUR = _Field("hour", 0, 23, 23)
_DAY = _Field("day", 1, 31, 31)
_MONTH = _Field("month", 1, 12, 12, _MONTHS)
_WEEKDAY = _Field("weekday", 1, 7, 7, _WEEKDAYS)
_YEAR = _Field("year", 1970, LAST_YEAR, _LARGEST)
_FIELDS = (_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _YEAR)
_DAY_FIELDS = (_DAY, _WEEKDAY)


@dataclass(slots=True)
class _Reading:
    """What has been read of one field."""

    values: set[int] = field(default_factory=set)
    days_before_last: int | None = None
    """`L`: 0, `L-3`: 3."""
    is_workday: bool = False
    """`W`: the nearest."""
    is_last: bool = False
    """`6L`: of the month."""
    nth: int = 0
    """`6#3`: 3."""

    @property
    def is_left_open(self) -> bool:
        """A day field with `?`: the other one decides."""
        return _OPEN in self.values


class _Wrong(Exception):
    """What is wrong with an item, and the mend."""


def read(expression: str) -> Pattern:
    """Raises `ScheduleError`, naming each wrong part and the mend, if this cannot be followed."""
    parts = expression.upper().split()
    if len(parts) < len(_FIELDS):
        parts.append("*")
    readings, problems = [], []
    for each, part in zip(_FIELDS, parts, strict=False):
        reading = _Reading()
        problems += [f"{each.name} {text}" for text in _read_field(each, part, reading)]
        readings.append(reading)
    problems = problems or list(_contradictions(readings))
    if problems:
        raise ScheduleError(*(f"cron {expression!r}: {problem}" for problem in problems))
    return _pattern(parts[2], readings)


def _read_field(each: _Field, part: str, into: _Reading) -> Iterator[str]:
    """Reads one field; answers what is wrong, item by item."""
    if each in _DAY_FIELDS and "L" in part and "," in part:
        yield f"{part!r} has L in a list, which Quartz does not take: make two jobs of it"
    elif each is _WEEKDAY and part.count("#") > 1:
        yield f"{part!r} has more than one #, which Quartz does not take: make two jobs of it"
    else:
        for item in filter(None, part.split(",")):
            try:
                _read_item(each, item, into)
            except _Wrong as problem:
                yield f"{item!r} {problem}"


def _read_item(each: _Field, item: str, into: _Reading) -> None:
    if _FROM_THE_LAST.fullmatch(item):
        _read_last(each, item, into)
    elif item[0].isalpha():
        _read_name(each, item, into)
    elif item[0] == "?":
        _read_open(each, item, into)
    elif item[0] in "*/":
        _read_every(each, item, into)
    elif item[0].isdigit():
        _read_number(each, item, into)
    else:
        raise _Wrong("is not a number, a range, a list or a step, as 5 or 1-5 or 1,3 or 0/5")


def _read_last(each: _Field, item: str, into: _Reading) -> None:
    """`L`, `LW`, `L-3`, `L-3W`; it adds nothing to fields that are no days."""
    if each is _WEEKDAY:
        into.values.add(SATURDAY)
    if each is not _DAY:
        return
    if item == "L-":
        raise _Wrong("lacks a number after the minus: write as L-3")
    into.days_before_last = _number(item.strip("L-W") or "0")
    into.is_workday = item.endswith("W")
    if into.days_before_last > _MOST_DAYS_BEFORE:
        raise _Wrong(f"is before the month: allowed is L-0 to L-{_MOST_DAYS_BEFORE}")


def _read_name(each: _Field, item: str, into: _Reading) -> None:
    """`MON`, `MON-FRI`, `MON#2`, `MONL`."""
    first, mark, rest = _named(each, item), item[_NAME : _NAME + 1], item[_NAME + 1 :]
    if mark == "-":
        into.values |= _span(each, first, _named(each, rest), 1)
        return
    if each is _WEEKDAY and mark == "#":
        into.nth = _nth(rest)
    into.is_last |= each is _WEEKDAY and mark == "L"
    into.values.add(first)


def _read_open(each: _Field, item: str, into: _Reading) -> None:
    if each not in _DAY_FIELDS:
        raise _Wrong("is for the day and the weekday only: write * for every value")
    if len(item) > 2:  # one more character goes unnoticed
        raise _Wrong("has something after the question mark: leave it away")
    into.values.add(_OPEN)


def _read_every(each: _Field, item: str, into: _Reading) -> None:
    """`*`, `*/5`, `/5`."""
    step = 1
    if item.startswith(("/", "*/")):
        written = item.lstrip("*").removeprefix("/")
        step = _step(each, _number(written))
    into.values |= _span(each, _EVERY, None, step)


def _read_number(each: _Field, item: str, into: _Reading) -> None:
    """`5`, `5-10`, `5-10/2`, `5/2`, and in their fields `6L`, `15W`, `6#3`."""
    digits = _DIGITS.match(item)[0]  # type: ignore[index]  # it begins with one
    first, rest = _number(digits), item[len(digits) :]
    if rest.startswith("-"):
        into.values |= _read_range(each, first, rest)
    elif rest.startswith("/"):
        into.values |= _read_step(each, first, rest)
    elif rest.startswith("#"):
        _needs(each, _WEEKDAY, "#")
        into.nth = _nth(rest[1:])
        into.values.add(first)
    elif rest.startswith("L"):
        _needs(each, _WEEKDAY, "L")
        into.is_last = True
        into.values.add(_proper(each, first))
    elif rest.startswith("W"):
        _needs(each, _DAY, "W")
        into.is_workday = True
        into.values.add(_proper(each, first))
    else:
        into.values |= _span(each, first, None, 0)


def _read_range(each: _Field, first: int, rest: str) -> set[int]:
    found = _RANGE.match(rest)
    if found is None:
        raise _Wrong("lacks a number: write a range as 5-10, and its step as 5-10/2")
    return _span(each, first, _number(found["last"]), _number(found["step"] or "1"))


def _read_step(each: _Field, first: int, rest: str) -> set[int]:
    found = _STEP.match(rest)
    if found is None:
        raise _Wrong("lacks a number after the slash: write a step as 5/15")
    return _span(each, first, None, _step(each, _number(found["step"])))


def _span(each: _Field, first: int, last: int | None, step: int) -> set[int]:
    """From `first` to `last`, or to the field's end, going round; without a step, `first` alone."""
    if first == _EVERY:
        start, step = each.low, max(step, 1)
    else:
        start = _in_range(each, first)
    stop = each.high if last is None else last
    if stop > each.high and each is not _YEAR:
        raise _Wrong(_out_of_range(each))
    if step == 0:
        return {start}
    if stop >= start:
        return set(range(start, min(stop, each.high) + 1, step))
    if each is _YEAR:
        raise _Wrong(f"runs backwards, or begins after {LAST_YEAR}: write the earlier year first")
    return {each.low + (value - each.low) % each.size for value in range(start, stop + each.size + 1, step)}


def _in_range(each: _Field, value: int) -> int:
    """Quartz takes any year, and for `?` any number that means it."""
    is_open = value == _OPEN and each in _DAY_FIELDS
    return value if each is _YEAR or is_open else _proper(each, value)


def _proper(each: _Field, value: int) -> int:
    if not each.low <= value <= each.high:
        raise _Wrong(_out_of_range(each))
    return value


def _out_of_range(each: _Field) -> str:
    words = f" or {each.words[0]} to {each.words[-1]}" if each.words else ""
    return f"is out of range: allowed is {each.low} to {each.high}{words}"


def _step(each: _Field, step: int) -> int:
    """How far apart values are; Quartz takes what is not positive for no step."""
    if step > each.largest_step:
        raise _Wrong(f"has a step out of range: allowed is 1 to {each.largest_step}")
    return max(step, 0)


def _named(each: _Field, text: str) -> int:
    word = text[:_NAME]
    if word not in each.words:
        names = f", or a name from {each.words[0]} to {each.words[-1]}" if each.words else ""
        raise _Wrong(f"is not a number from {each.low} to {each.high}{names}")
    return each.low + each.words.index(word)


def _nth(text: str) -> int:
    if not 1 <= (nth := _number(text)) <= _MOST_IN_A_MONTH:
        raise _Wrong(f"needs a number from 1 to {_MOST_IN_A_MONTH} after the #, as 6#3")
    return nth


def _number(text: str) -> int:
    if not _INTEGER.fullmatch(text) or abs(number := int(text)) > _LARGEST:
        raise _Wrong(f"has {text[:20]!r} where a number is needed, as 5")
    return number


def _needs(each: _Field, wanted: _Field, mark: str) -> None:
    if each is not wanted:
        raise _Wrong(f"has {mark}, which is for the {wanted.name} only")


# what the fields mean together


def _contradictions(readings: Sequence[_Reading]) -> Iterator[str]:
    *times, day, month, weekday, _ = readings
    for each, reading in zip((_SECOND, _MINUTE, _HOUR, _MONTH), (*times, month), strict=True):
        if not reading.values:
            yield f"no {each.name} is named: write * for every one"
    if day.is_left_open == weekday.is_left_open:
        yield "one of day and weekday must be ?, and the other must not: as 0 0 12 * * ? or 0 0 12 ? * MON"
    elif day.is_left_open and not weekday.values:
        yield "no weekday is named: write * for every one"
    elif weekday.is_left_open and not day.values and day.days_before_last is None:
        yield "no day is named: write * for every one"


def _pattern(hour_part: str, readings: Sequence[_Reading]) -> Pattern:
    second, minute, hour, day, month, weekday, year = readings
    return Pattern(
        seconds=_in_order(_SECOND, second.values),
        minutes=_in_order(_MINUTE, minute.values),
        hours=_in_order(_HOUR, hour.values),
        days=_weekday_rule(weekday) if day.is_left_open else _day_rule(day),
        months=_in_order(_MONTH, month.values),
        years=_in_order(_YEAR, {each for each in year.values if 1 <= each <= LAST_YEAR}),
        follows_real_time="*" in hour_part or "/" in hour_part,
    )


def _in_order(each: _Field, values: set[int]) -> Sequence[int]:
    """Expressions are kept once read, and most fields of most are `*`: a range costs next to nothing."""
    every = range(each.low, each.high + 1)
    return every if values.issuperset(every) and len(values) == len(every) else tuple(sorted(values))


def _day_rule(day: _Reading) -> DayRule:
    if day.days_before_last is not None:
        return LastWorkday(day.days_before_last) if day.is_workday else LastDay(day.days_before_last)
    if day.is_workday:  # of a list, Quartz takes the first
        return NearestWorkday(min(day.values))
    return Days(ordered(day.values))


def _weekday_rule(weekday: _Reading) -> DayRule:
    """As Quartz does, with `L` or `#` the first weekday of a list counts, and 0 is Saturday."""
    if weekday.is_last:
        return LastOfWeekday(min(weekday.values))
    if weekday.nth:
        return NthWeekday(min(weekday.values), weekday.nth)
    return Weekdays(frozenset(weekday.values))
