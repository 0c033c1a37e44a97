"""A cron expression in words, for people who want to see whether they wrote what they meant.

cron-descriptor finds the words. It is given what the expression was understood to mean: Quartz takes
spellings that it does not know, or takes for something else (`L` for Saturday, `L-3W`, `/5`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from cron_descriptor import ExpressionDescriptor, Options

from . import cron, quartz
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
)
from .pattern import Pattern

_RANGE = "[0-9]+(?:-[0-9]+)?|[A-Z]{3}(?:-[A-Z]{3})?"
_STEP = r"(?:\*|[0-9]+|[0-9]+-[0-9]+)?/0*[1-9][0-9]*"
_PLAIN = re.compile(rf"(?:{_RANGE})(?:,(?:{_RANGE}))*|{_STEP}")
"""What cron-descriptor has good words for: a list, or one step."""
_TO_QUARTZ_ONLY = re.compile(r"\b(?:9[89]|[0-9]{5,})\b")
"""Numbers that mean `?` and `*`, and years that never come."""
_LEADING_ZEROS = re.compile(r"\b0+(?=[0-9])")
_NEVER = "Never"
_LAST_WORKDAY = "the last weekday of the month"
_YEARS = range(1970, quartz.LAST_YEAR + 1)


def describe(expression: str) -> str:
    """As `At 08:30, Monday through Friday`; raises `ScheduleError` if the expression cannot be read."""
    pattern = cron.read(expression)
    parts = expression.upper().split()
    if not cron.is_quartz(expression):
        return _words(_standard(parts, pattern), sunday=0)
    if not pattern.years or (isinstance(pattern.days, NthWeekday) and pattern.days.weekday > SATURDAY):
        return _NEVER
    return _words(_quartz(parts, pattern), sunday=1).replace(_LAST_WORKDAY, _workday(pattern.days))


def _words(expression: str, *, sunday: int) -> str:
    options = Options(
        day_of_week_start_index_zero=sunday == 0, use_24hour_time_format=True, locale_code="en_US"
    )
    said: str = ExpressionDescriptor(expression, options).get_description()
    return said.replace(" 1 days before", " 1 day before")


def _workday(rule: DayRule) -> str:
    """`L-3W`, for which cron-descriptor has no words."""
    if not isinstance(rule, LastWorkday) or rule.days_before == 0:
        return _LAST_WORKDAY
    days = "1 day" if rule.days_before == 1 else f"{rule.days_before} days"
    return f"the weekday nearest to {days} before the last day of the month"


def _standard(parts: Sequence[str], pattern: Pattern) -> str:
    minute, hour, day, month, weekday = parts
    times = _field(minute, pattern.minutes, range(60)), _field(hour, pattern.hours, range(24))
    return " ".join((*times, day, _field(month, pattern.months, range(1, 13)), weekday))


def _quartz(parts: Sequence[str], pattern: Pattern) -> str:
    """All seven fields, as everybody writes them."""
    second, minute, hour, day, month, weekday, *years = parts
    plain_day, plain_weekday = _day_fields(day, weekday, pattern.days)
    fields = (
        _field(second, pattern.seconds, range(60)),
        _field(minute, pattern.minutes, range(60)),
        _field(hour, pattern.hours, range(24)),
        plain_day,
        _field(month, pattern.months, range(1, 13)),
        plain_weekday,
        _field(years[0] if years else "*", pattern.years, _YEARS),
    )
    return " ".join(fields)


def _day_fields(day: str, weekday: str, rule: DayRule) -> tuple[str, str]:
    match rule:
        case LastDay(before):
            return f"L-{before}" if before else "L", "?"
        case LastWorkday():
            return "LW", "?"
        case NearestWorkday(near):
            return f"{near}W", "?"
        case LastOfWeekday(each):
            return "?", f"{each}L"
        case NthWeekday(each, nth):
            return "?", f"{each or SATURDAY}#{nth}"
        case Weekdays(weekdays):
            return "?", _field(weekday, weekdays, range(1, 8))
        case Days(days):
            return _field(day, days, range(1, 32)), "?"
        case _:
            raise AssertionError(rule)


def _field(part: str, values: Collection[int], every: Collection[int]) -> str:
    """As written if that is plain, else what it means, value by value."""
    if len(values) == len(every):
        return "*"
    if not _PLAIN.fullmatch(part) or _TO_QUARTZ_ONLY.search(part):
        return ",".join(map(str, sorted(values)))
    plain = _LEADING_ZEROS.sub("", part)
    if plain.startswith("/"):
        return "*" + plain
    if every is _YEARS and "/" in plain and "-" not in plain:
        return plain.replace("/", f"-{quartz.LAST_YEAR}/")
    return plain
