"""When does a job fire: pure functions of plain values. Times are epoch milliseconds.

The only questions anyone asks: `next_fire`, `check`, `words.describe` and, for the planner,
`misfire.due_fires`.
"""

from __future__ import annotations

from typing import TypeVar

from ..errors import ScheduleError
from ..vocabulary import DstFold, DstGap, ScheduleType
from . import cron, interval, zone

__all__ = ["check", "following", "next_fire"]

_Rule = TypeVar("_Rule", DstGap, DstFold)


def next_fire(
    schedule_type: str,
    conf: str,
    time_zone: str,
    after_ms: int,
    *,
    gap: str = DstGap.RUN_AFTER,
    fold: str = DstFold.ONCE,
) -> int | None:
    """The first fire time strictly after `after_ms`, of a schedule that begins there.

    None if there is none, as for NONE. `gap` and `fold` say what becomes of times of day that the clock
    drops or repeats. Raises `ScheduleError` if the schedule cannot be read.
    """
    return following(schedule_type, conf, time_zone, after_ms, after_ms, gap=gap, fold=fold)


def following(
    schedule_type: str,
    conf: str,
    time_zone: str,
    planned_ms: int,
    after_ms: int,
    *,
    gap: str = DstGap.RUN_AFTER,
    fold: str = DstFold.ONCE,
) -> int | None:
    """As `next_fire`, of a schedule that named `planned_ms`: a fixed rate counts on from there."""
    if schedule_type == ScheduleType.CRON:
        rules = _known("gap", gap, DstGap), _known("fold", fold, DstFold)
        return cron.next_fire(conf, zone.find(time_zone), after_ms, *rules)
    if schedule_type == ScheduleType.FIX_RATE:
        return interval.next_fire(conf, planned_ms, after_ms)
    if schedule_type == ScheduleType.NONE:
        return None
    raise ScheduleError(f"schedule type {schedule_type!r} is not known: use one of {', '.join(ScheduleType)}")


def check(schedule_type: str, conf: str, time_zone: str) -> None:
    """Raise `ScheduleError`, naming the value and the mend, unless this schedule can be followed."""
    zone.find(time_zone)
    if next_fire(schedule_type, conf, time_zone, 0) is None and schedule_type == ScheduleType.CRON:
        raise ScheduleError(
            f"cron {conf!r} never fires: no year has such a day, as 30 February; change its day or its month"
        )


def _known(name: str, value: str, rules: type[_Rule]) -> _Rule:
    try:
        return rules(value)
    except ValueError:
        raise ScheduleError(f"{name} rule {value!r} is not known: use one of {', '.join(rules)}") from None
