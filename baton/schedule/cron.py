"""Standard five-field cron, by croniter, with our own rules for daylight saving.

croniter is asked for wall-clock times only, as if clocks never changed; what a wall time means in
a zone is decided here, because croniter alone would run a nightly job twice in autumn:

- An expression with `*` or a step in its hour field follows real time: it fires whenever the clock
  shows one of its times, so in both passes of a repeated hour, and not for a dropped one.
- Any other names times of day: one that is dropped fires once, right after the gap (several
  together), and one that is repeated fires in the first pass only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from croniter import CroniterBadDateError, CroniterError, croniter

from ..errors import ScheduleError
from . import zone as zones

LONGEST_CHARS = 128
"""Bounds what parsing and error texts cost; far more than a person can read."""
LATEST_MS = 4_102_444_800_000
"""The year 2100: zone rules further out are guesses, and nobody waits for them."""
_YEARS_TO_SEARCH = 9
"""29 February may be eight years away, around 2100; what is not found then never comes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_MILLISECOND = timedelta(milliseconds=1)


def next_fire(expression: str, zone: tzinfo, after_ms: int) -> int | None:
    """The first fire time strictly after `after_ms`; None if none comes. Raises `ScheduleError`."""
    check(expression)
    if not 0 <= after_ms <= LATEST_MS:
        return None
    after = _EPOCH + after_ms * _MILLISECOND
    find = _in_real_time if _follows_real_time(expression) else _by_the_wall
    found = find(expression, zone, after)
    return None if found is None else (found - _EPOCH) // _MILLISECOND


def _follows_real_time(expression: str) -> bool:
    hour = expression.split()[1]
    return "*" in hour or "/" in hour


def _by_the_wall(expression: str, zone: tzinfo, after: datetime) -> datetime | None:
    for wall in _walls(expression, zones.wall_of(after, zone)):
        instants = zones.instants_of(wall, zone)
        instant = instants[0] if instants else zones.end_of_gap(wall, zone)
        if instant > after:
            return instant
    return None


def _in_real_time(expression: str, zone: tzinfo, after: datetime) -> datetime | None:
    now = zones.wall_of(after, zone)
    found = _first_shown(expression, zone, now, after)
    is_in_first_pass = now.fold == 0 and len(zones.instants_of(now, zone)) == 2
    if found is None or not is_in_first_pass:
        return found
    # the clock will go back, and show again what it showed before `now`
    repeats = zones.second_pass(now, zone)
    if found < repeats:
        return found
    again = _first_shown(expression, zone, zones.wall_of(repeats, zone) - _MINUTE, repeats - _MILLISECOND)
    return min(filter(None, (found, again)))


def _first_shown(expression: str, zone: tzinfo, wall: datetime, after: datetime) -> datetime | None:
    """The first instant after `after` at which the clock shows one of the times that follow `wall`."""
    for each in _walls(expression, wall):
        for instant in zones.instants_of(each, zone):
            if instant > after:
                return instant
    return None


def _walls(expression: str, after: datetime) -> Iterator[datetime]:
    """The wall-clock times the expression names, strictly after a wall-clock time."""
    start = after.replace(tzinfo=UTC, fold=0)
    times = croniter(expression, start, datetime, max_years_between_matches=_YEARS_TO_SEARCH)
    while True:
        try:
            yield times.get_next(datetime).replace(tzinfo=None)
        except CroniterBadDateError:
            return


# reading


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


@lru_cache(maxsize=10_000)
def check(expression: str) -> None:
    """Raise `ScheduleError`, naming each wrong part and the mend, unless these are five fields."""
    if len(expression) > LONGEST_CHARS:
        raise ScheduleError(
            f"the cron expression has {len(expression):,} characters; the limit is {LONGEST_CHARS}: "
            "split it over several jobs"
        )
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(_wrong_count(expression, len(parts)))
    problems = [
        f"cron {expression!r}: {problem}"
        for field, part in zip(_FIELDS, parts, strict=True)
        for item in part.lower().split(",")
        for problem in _problems(field, item)
    ]
    if problems:
        raise ScheduleError(*problems)
    try:
        croniter(expression)
    except (CroniterError, ValueError, KeyError) as problem:  # it knows a rule that we do not
        raise ScheduleError(f"cron {expression!r} cannot be read: {problem}") from problem


def _wrong_count(expression: str, count: int) -> str:
    said = f"cron {expression!r} has {count} field{'' if count == 1 else 's'}"
    if count in {6, 7}:
        return (
            f"{said}: write the 5 fields minute hour day month weekday, without seconds and year; "
            "for less than a minute choose a fixed rate"
        )
    return f"{said}; it needs 5: minute hour day month weekday, as 30 8 * * 1-5"


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
