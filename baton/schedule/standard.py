"""Standard cron, five fields: minute hour day month weekday. croniter reads them.

croniter only says which values each field means. The fire times are found by `pattern.py`, as for the
other dialect: a croniter object looks for the next time too, but takes ten times as long, and with a
time zone it would run a nightly job twice in autumn. The tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import ScheduleError
from .days import DayRule, Days, Either, Weekdays, ordered
from .pattern import Pattern

LAST_YEAR = 2099
"""Zone rules further out are guesses, and nobody waits for them."""
_YEARS = range(1970, LAST_YEAR + 1)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    """Names of the values, from `low` on."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)
_VALUE = "[0-9]{1,2}|[a-z]{3}"
_ITEM = re.compile(rf"(?:\*|(?P<first>{_VALUE})(?:-(?P<last>{_VALUE}))?)(?:/(?P<step>[0-9]{{1,2}}))?")


def read(expression: str) -> Pattern:
    """Raises `ScheduleError`, naming each wrong part and the mend, unless these are five fields."""
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(
            f"cron {expression!r} has {len(parts)} field{'' if len(parts) == 1 else 's'}; "
            "it needs 5: minute hour day month weekday, as 30 8 * * 1-5; "
            "or 6, with seconds first: 0 30 8 ? * MON-FRI"
        )
    problems = [
        f"cron {expression!r}: {problem}"
        for field, part in zip(_FIELDS, parts, strict=True)
        for item in part.lower().split(",")
        for problem in _problems(field, item)
    ]
    if problems:
        raise ScheduleError(*problems)
    return _pattern(parts[1], *_values(expression))


def _problems(field: _Field, item: str) -> Iterator[str]:
    found = _ITEM.fullmatch(item)
    if found is None:
        yield f"{field.name} {item!r} is not a number, a range, a list or a step, as 5 or 1-5 or 1,3 or */5"
        return
    values = [_value(field, word) for word in (found["first"], found["last"]) if word]
    if not all(field.low <= value <= field.high for value in values):
        words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
        yield f"{field.name} {item!r} is out of range: allowed is {field.low} to {field.high}{words}"
    elif values != sorted(values):
        yield f"{field.name} {item!r} runs backwards: split it in two, with a comma in between"
    if found["step"] and not 1 <= int(found["step"]) <= field.high:
        yield f"{field.name} {item!r} has a step out of range: allowed is 1 to {field.high}"


def _value(field: _Field, word: str) -> int:
    """The number that a word stands for; -1, which no field allows, for the name of something else."""
    if word.isdigit():
        return int(word)
    return field.words.index(word) + field.low if word in field.words else -1


def _values(expression: str) -> list[list[int] | None]:
    """What croniter takes each field to mean; None for every value."""
    from croniter import CroniterError, croniter  # here, for those who never meet this dialect

    try:
        fields, _ = croniter.expand(expression)
    except (CroniterError, ValueError, KeyError) as problem:  # it knows a rule that we do not
        raise ScheduleError(f"cron {expression!r} cannot be read: {problem}") from problem
    return [None if "*" in field else [int(value) for value in field] for field in fields]


def _pattern(
    hour_field: str,
    minutes: list[int] | None,
    hours: list[int] | None,
    days: list[int] | None,
    months: list[int] | None,
    weekdays: list[int] | None,
) -> Pattern:
    return Pattern(
        seconds=(0,),
        minutes=_or_all(minutes, range(60)),
        hours=_or_all(hours, range(24)),
        days=_day_rule(days, weekdays),
        months=_or_all(months, range(1, 13)),
        years=_YEARS,
        follows_real_time="*" in hour_field or "/" in hour_field,
    )


def _or_all(values: list[int] | None, every: range) -> Sequence[int]:
    return every if values is None else ordered(values)


def _day_rule(days: list[int] | None, weekdays: list[int] | None) -> DayRule:
    """As cron always did: with both fields given, a day that either of them names."""
    by_day = Days(tuple(range(1, 32)) if days is None else ordered(days))
    if weekdays is None:
        return by_day
    by_weekday = Weekdays(frozenset(day % 7 + 1 for day in weekdays))
    return by_weekday if days is None else Either((by_day, by_weekday))
