"""Wall clock to instant: time zones, and the hours that daylight saving drops or repeats.

A *gap* is a stretch of wall time that never happens (clocks go forward), a *fold* one that happens
twice (clocks go back). Walls here are naive datetimes, instants aware ones in UTC.
"""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache

from ..errors import ScheduleError

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def find(name: str) -> tzinfo:
    """The time zone of this IANA name; raises `ScheduleError`, never falls back to another."""
    if name == "UTC":
        return UTC
    if name not in _names():
        raise ScheduleError(_unknown(name[:64]))
    return zoneinfo.ZoneInfo(name)


def wall_of(instant: datetime, zone: tzinfo) -> datetime:
    """What a clock on the wall shows at `instant`; its `fold` is 1 in the second pass of a fold."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instants_of(wall: datetime, zone: tzinfo) -> list[datetime]:
    """When the clock shows `wall`, in order: once as a rule, never in a gap, twice in a fold."""
    first = _as_instant(wall, zone, 0)
    second = _as_instant(wall, zone, 1)
    if first == second:
        return [first]
    # in a gap the two readings lie on either side of it, in reverse order
    return [first, second] if first < second else []


def end_of_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The instant at which the clock jumps over `wall`."""
    return _change_between(_as_instant(wall, zone, 1), _as_instant(wall, zone, 0), zone)


def second_pass(wall: datetime, zone: tzinfo) -> datetime:
    """The instant at which the fold with `wall` in it starts to repeat."""
    return _change_between(_as_instant(wall, zone, 0), _as_instant(wall, zone, 1), zone)


def end_of_fold(wall: datetime, zone: tzinfo) -> datetime:
    """The first wall-clock time after the fold with `wall` in it."""
    first, second = (_as_instant(wall, zone, fold) for fold in (0, 1))
    return wall_of(second_pass(wall, zone), zone).replace(fold=0) + (second - first)


def _as_instant(wall: datetime, zone: tzinfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second with the offset of `after`; there is one change in between."""
    start = before.replace(microsecond=0)
    offset = after.astimezone(zone).utcoffset()
    low, high = 0, int((after - start).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if (start + middle * _SECOND).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle + 1
    return start + low * _SECOND


@cache
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _unknown(name: str) -> str:
    if not _names():
        return "this machine has no time zone data: install the package tzdata"
    lowered = {each.lower(): each for each in _names()}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.8)
    mend = f"did you mean {lowered[near[0]]!r}?" if near else "use a name such as Europe/Berlin or UTC"
    return f"time zone {name!r} is not known here: {mend}"
