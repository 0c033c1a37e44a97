"""When does a job fire: pure functions of plain values.

The only questions anyone asks: `next_fire`, `check`, and, for the planner, `misfire.due_fires`.
"""

from __future__ import annotations

from ..errors import ScheduleError
from ..vocabulary import ScheduleType
from . import cron, interval

__all__ = ["check", "next_fire"]


def next_fire(schedule_type: str, conf: str, zone: str, after_ms: int) -> int | None:
    """The first fire time strictly after `after_ms`, epoch milliseconds; None if there is none.

    For a fixed rate `after_ms` must be the previous planned time: so the grid never drifts.
    Raises `ScheduleError` for a schedule that cannot be followed.
    """
    if schedule_type == ScheduleType.CRON:
        return cron.next_fire(conf, zone, after_ms)
    if schedule_type == ScheduleType.FIX_RATE:
        return after_ms + interval.rate_ms(conf)
    if schedule_type == ScheduleType.NONE:
        return None
    allowed = ", ".join(ScheduleType)
    raise ScheduleError(f"schedule type {schedule_type!r} is not known; use one of {allowed}")


def check(schedule_type: str, conf: str, zone: str) -> None:
    """Raise `ScheduleError` if this schedule cannot be followed."""
    cron.zone_of(zone)
    next_fire(schedule_type, conf, zone, 0)
