"""When does a job fire: pure functions of plain values. Times are epoch milliseconds.

The only questions anyone asks: `next_fire`, `upcoming`, `check`, `words.describe` and, for the
planner, `misfire.due_fires`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from ..errors import ScheduleError
from ..vocabulary import DstFold, DstGap, ScheduleType
from . import calendar, cron, interval, once, zone

__all__ = ["AWAITING_END_MS", "Schedule", "check", "following", "next_fire", "upcoming", "why_over", "within"]

AWAITING_END_MS = 253_402_214_400_000
"""The last day of the year 9999: the next time of a fixed delay while its run is under way."""
_MOST_LEFT_OUT = 1000
"""So many times in a row are looked at, in excluded stretch after stretch: then there is none."""
_Rule = TypeVar("_Rule", DstGap, DstFold)


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that decides when a job fires, as it is stored."""

    type: str
    """One of `ScheduleType`."""
    conf: str = ""
    """The expression, the seconds, or the moment."""
    time_zone: str = "UTC"
    """Where its wall clock hangs."""
    gap: str = DstGap.RUN_AFTER
    """What becomes of times of day that the clock drops."""
    fold: str = DstFold.ONCE
    """What becomes of times of day that the clock repeats."""
    start_at: int = 0
    """It names no time before this; a fixed rate begins here. 0 is no bound."""
    end_at: int = 0
    """It names no time after this; 0 is no bound."""
    calendar: str = ""
    """The rules of an exclusion calendar: times on its days and in its windows are left out."""


def next_fire(schedule: Schedule, after_ms: int) -> int | None:
    """The first fire time strictly after `after_ms`, of a schedule that begins there.

    None if there is none, as for NONE. Raises `ScheduleError` if the schedule cannot be read.
    """
    return following(schedule, after_ms, after_ms)


def following(schedule: Schedule, planned_ms: int, after_ms: int) -> int | None:
    """As `next_fire`, of a schedule that named `planned_ms`: a fixed rate counts on from there.

    A fixed delay counts from `after_ms`, the end of its run.
    """
    if schedule.start_at:
        after_ms = max(after_ms, schedule.start_at - 1)
    found = _named(schedule, planned_ms, after_ms)
    if schedule.calendar:
        found = _not_excluded(schedule, planned_ms, found)
    return None if found is None or 0 < schedule.end_at < found else found


def upcoming(schedule: Schedule, after_ms: int, count: int) -> list[int]:
    """The next fire times, at most `count`. Raises `ScheduleError` if the schedule cannot be read."""
    times: list[int] = []
    if schedule.type == ScheduleType.FIX_DELAY:
        count = min(count, 1)  # what comes then depends on how long the run takes
    at = next_fire(schedule, after_ms)
    while at is not None and len(times) < count:
        times.append(at)
        at = following(schedule, at, at)
    return times


def within(schedule: Schedule, planned_ms: int, from_ms: int, until_ms: int, most: int) -> list[int]:
    """The fire times from `from_ms` on and before `until_ms`, in order: the first `most`.

    `planned_ms` is any time that the schedule named, for the grid of a fixed rate. Raises
    `ScheduleError` if it cannot be read, or if its past cannot be known.
    """
    if schedule.type in (ScheduleType.FIX_DELAY, ScheduleType.NONE):
        raise ScheduleError(f"a schedule of type {schedule.type} names no times of the past")
    if schedule.type == ScheduleType.FIX_RATE and planned_ms >= from_ms:
        step_ms = interval.period_ms(schedule.conf)
        planned_ms -= ((planned_ms - from_ms) // step_ms + 1) * step_ms
    times: list[int] = []
    at = following(schedule, planned_ms, from_ms - 1)
    while at is not None and at < until_ms and len(times) < most:
        times.append(at)
        at = following(schedule, at, at)
    return times


def check(schedule: Schedule) -> None:
    """Raise `ScheduleError`, naming the value and the mend, unless this schedule can be followed."""
    zone.find(schedule.time_zone)
    if _named(schedule, 0, 0) is None:
        if schedule.type == ScheduleType.CRON:
            raise ScheduleError(
                f"cron {schedule.conf!r} never fires: no year has such a day, as 30 February; "
                "change its day or its month"
            )
        if schedule.type == ScheduleType.ONCE:
            raise ScheduleError(
                f"the moment {schedule.conf!r} never comes: the clock in {schedule.time_zone} jumps over it; "
                "choose another, or RUN_AFTER"
            )
    if schedule.calendar and _is_left_nothing(schedule):
        raise ScheduleError("the calendar leaves out every time that the schedule names: change either")
    if 0 < schedule.end_at <= schedule.start_at:
        raise ScheduleError("the schedule ends before it starts: choose a later end, or an earlier start")


def _is_left_nothing(schedule: Schedule) -> bool:
    unbounded = replace(schedule, start_at=0, end_at=0)
    return next_fire(unbounded, 0) is None and schedule.type != ScheduleType.NONE


def why_over(schedule: Schedule) -> str:
    """Why a schedule that was followed names no further time, for people."""
    if schedule.type == ScheduleType.ONCE:
        return f"its one moment has come: {schedule.conf}"
    if schedule.end_at:
        return "the schedule is over: its end has come"
    return "the schedule names no further time"


def _named(schedule: Schedule, planned_ms: int, after_ms: int) -> int | None:
    """The first time after `after_ms`, whatever its end says."""
    kind = schedule.type
    if kind == ScheduleType.CRON:
        return _of_cron(schedule.conf, schedule.time_zone, after_ms, schedule.gap, schedule.fold)
    if kind == ScheduleType.FIX_RATE:
        if schedule.start_at:  # the grid begins there, whenever the job was started
            step_ms = interval.period_ms(schedule.conf)
            return interval.next_fire(schedule.conf, schedule.start_at - step_ms, after_ms)
        return interval.next_fire(schedule.conf, planned_ms, after_ms)
    if kind == ScheduleType.FIX_DELAY:
        delay_ms = interval.period_ms(schedule.conf, "fixed delay")
        return schedule.start_at if after_ms < schedule.start_at else after_ms + delay_ms
    if kind == ScheduleType.ONCE:
        moment_ms = once.moment_ms(
            schedule.conf, zone.find(schedule.time_zone), _known("gap", schedule.gap, DstGap)
        )
        return moment_ms if moment_ms is not None and moment_ms > after_ms else None
    if kind == ScheduleType.NONE:
        return None
    raise ScheduleError(f"schedule type {kind!r} is not known: use one of {', '.join(ScheduleType)}")


def _not_excluded(schedule: Schedule, planned_ms: int, found: int | None) -> int | None:
    """`found`, or the first time after it that the calendar leaves."""
    exclusions, time_zone = calendar.read(schedule.calendar), zone.find(schedule.time_zone)
    for _ in range(_MOST_LEFT_OUT):
        if found is None:
            return None
        free_ms = exclusions.free_from(found, time_zone)
        if free_ms is None or free_ms == found:
            return free_ms
        if schedule.type == ScheduleType.FIX_DELAY:
            return free_ms
        found = _named(schedule, planned_ms, free_ms - 1)
    return None


@lru_cache(maxsize=16_384)  # many jobs follow one expression, and all that are due ask at once
def _of_cron(conf: str, time_zone: str, after_ms: int, gap: str, fold: str) -> int | None:
    rules = _known("gap", gap, DstGap), _known("fold", fold, DstFold)
    return cron.next_fire(conf, zone.find(time_zone), after_ms, *rules)


def _known(name: str, value: str, rules: type[_Rule]) -> _Rule:
    try:
        return rules(value)
    except ValueError:
        raise ScheduleError(f"{name} rule {value!r} is not known: use one of {', '.join(rules)}") from None
