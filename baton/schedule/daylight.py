"""From wall clock to instant: what an expression comes to where clocks change.

- An *interval*, an expression with `*` or a step in its hour field, follows real time: it fires
  whenever the clock shows one of its times, so in both passes of a repeated hour, and not for a
  dropped one.
- Any other names *times of day*, and the job says what becomes of them. One that is dropped runs once,
  right after the gap (several together), or is skipped. One that is repeated runs once, in the first
  pass, or in both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from ..vocabulary import DstFold, DstGap
from . import zone as zones
from .pattern import Pattern

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def first_after(
    pattern: Pattern, zone: tzinfo, after: datetime, gap: DstGap, fold: DstFold
) -> datetime | None:
    """The first instant strictly after `after` at which `pattern` fires; None if none comes."""
    runs_after_gap = gap == DstGap.RUN_AFTER and not pattern.follows_real_time
    runs_twice = fold == DstFold.BOTH or pattern.follows_real_time
    now = zones.wall_of(after, zone)
    start = now.replace(microsecond=0, fold=0) + _SECOND
    found = _first_from(pattern, zone, start, after, runs_after_gap, runs_twice)
    if not (runs_twice and _is_in_first_pass(now, zone)):
        return found
    repeats = zones.second_pass(now, zone)
    if found is not None and found < repeats:
        return found
    # the clock will go back before that, and show again what it showed before `now`
    begin = zones.wall_of(repeats, zone).replace(fold=0)
    again = _first_from(pattern, zone, begin, after, runs_after_gap, runs_twice)
    return min(filter(None, (found, again)), default=None)


def _is_in_first_pass(now: datetime, zone: tzinfo) -> bool:
    return now.fold == 0 and len(zones.instants_of(now, zone)) == 2


def _first_from(
    pattern: Pattern, zone: tzinfo, start: datetime, after: datetime, runs_after_gap: bool, runs_twice: bool
) -> datetime | None:
    """The first instant after `after` that comes from a wall-clock time at or after `start`."""
    while (wall := pattern.first_at(start)) is not None:
        instants = zones.instants_of(wall, zone)
        if not instants:
            end = zones.end_of_gap(wall, zone)
            if runs_after_gap and end > after:
                return end
            start = zones.wall_of(end, zone)
        elif len(instants) == 1 or runs_twice:
            for instant in instants:
                if instant > after:
                    return instant
            start = wall + _SECOND
        elif instants[0] > after:
            return instants[0]
        else:  # in the second pass: nothing of what is repeated runs again
            start = zones.end_of_fold(wall, zone)
    return None
