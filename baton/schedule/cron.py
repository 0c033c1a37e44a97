"""Standard 5-field cron by croniter, in the job's time zone, exact across clock changes.

croniter only ever sees naive wall-clock times; this module turns them into instants. A
fixed wall-clock time that does not exist fires once, right after the gap; one that happens twice
fires once, the first time. An expression whose hour is `*` or has a step means an interval: it
fires in both real hours of a repeated one, and has no burst after a gap (Vixie cron's rule).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

from ..errors import ScheduleError

LONGEST_EXPRESSION = 128
_NAMES = r"JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT|L"
_FIELD = re.compile(rf"(?:[0-9]{{1,2}}|{_NAMES}|[*/,#-])+", re.IGNORECASE)
_LONG_NUMBER = re.compile("[0-9]{3}")
_EARLIEST_MS = 0
_LATEST_MS = 4_102_444_800_000  # 2100: zone rules further out are guesses
_SECOND = timedelta(seconds=1)


def next_fire(expression: str, zone_name: str, after_ms: int) -> int | None:
    """The first fire time strictly after `after_ms`; None if the expression never fires again."""
    zone = zone_of(zone_name)
    _check(expression)
    if not _EARLIEST_MS <= after_ms <= _LATEST_MS:
        return None
    after = datetime.fromtimestamp(after_ms / 1000, UTC)
    try:
        if _is_interval(expression):
            return _ms(_next_of_interval(expression, zone, after))
        return _ms(_next_of_wall_clock(expression, zone, after))
    except CroniterBadDateError:
        return None


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone; raises `ScheduleError` for one this machine does not know, never falls back."""
    try:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", name):
            raise ValueError(name)
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as problem:
        raise ScheduleError(
            f"time zone {name[:64]!r} is not known here: use a name such as Europe/Berlin or UTC"
        ) from problem


@lru_cache(maxsize=10_000)
def _check(expression: str) -> None:
    # before croniter parses it: a huge range or list costs memory and time
    if len(expression) > LONGEST_EXPRESSION:
        raise ScheduleError(
            f"the cron expression has {len(expression):,} characters; the limit is {LONGEST_EXPRESSION}"
        )
    fields = expression.split()
    if len(fields) in {6, 7}:
        raise ScheduleError(
            f"cron {expression!r} has {len(fields)} fields: write the 5 fields minute hour day month "
            "weekday, without seconds and year"
        )
    if len(fields) != 5:
        raise ScheduleError(
            f"cron {expression!r} has {len(fields)} fields; it needs 5: minute hour day month weekday"
        )
    for field in fields:
        if not _FIELD.fullmatch(field) or _LONG_NUMBER.search(field):
            raise ScheduleError(f"cron {expression!r}: {field!r} is not a cron field such as */5, 1-5 or MON")
    try:
        croniter(expression)
    except (CroniterError, ValueError, KeyError) as problem:
        raise ScheduleError(f"cron {expression!r} cannot be read: {problem}") from problem


def _is_interval(expression: str) -> bool:
    hour = expression.split()[1]
    return "*" in hour or "/" in hour


def _next_of_wall_clock(expression: str, zone: ZoneInfo, after: datetime) -> datetime:
    times = croniter(expression, after.astimezone(zone).replace(tzinfo=None))
    while True:
        instant = _instant_of(times.get_next(datetime), zone)
        # a time of the repeated hour maps to its first pass, which may be over
        if instant > after:
            return instant


def _instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    # the wall clock skips this time: fire at the moment of the change
    return _change_between(zone, instant - timedelta(days=1), instant + timedelta(days=1))


def _next_of_interval(expression: str, zone: ZoneInfo, after: datetime) -> datetime:
    """Follow the wall clock as if its offset never changed, up to each change."""
    start = after
    while True:
        offset = _offset(zone, start)
        wall = (start + offset).replace(tzinfo=None)
        instant = croniter(expression, wall).get_next(datetime).replace(tzinfo=UTC) - offset
        if _offset(zone, instant) == offset:
            return instant
        # just before the change, so that a fire time at the change itself is not passed over
        change = _change_between(zone, start, instant)
        start = change
        at_change = (change + _offset(zone, change)).replace(tzinfo=None)
        if change > after and croniter.match(expression, at_change) and not at_change.second:
            return change


def _change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The moment between the two at which the offset changes, to the second."""
    before = _offset(zone, low)
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
