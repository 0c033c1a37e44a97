"""Which fire times of a job are due now: none, some, or one that makes up for missed ones. Pure.

A fire time is *on time* until it is `threshold_ms` late, and each that is on time fires: a hiccup
of three seconds costs a job of every second nothing. What is later than that was *missed*, and the
job's misfire strategy decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ..errors import ScheduleError
from ..vocabulary import MisfireStrategy, ScheduleType, TriggerType
from . import AWAITING_END_MS, Schedule, following, next_fire
from .interval import period_ms

COUNT_LIMIT = 50
"""Missed times of a cron are counted up to here: one that slept for a year must not hold up other jobs."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job that is due."""

    fires: tuple[tuple[int, TriggerType], ...]
    """Fire times that become log rows, oldest first. A MISFIRE names the first time that was missed."""
    next_ms: int | None
    """Strictly after now; None if the schedule names no further time."""
    missed: int = 0
    """How many times were missed; a cron's are counted up to `COUNT_LIMIT`."""


def due_fires(
    schedule: Schedule, planned_ms: int, strategy: str, now_ms: int, threshold_ms: int = 5000
) -> Decision:
    """Decide at `now_ms` for one job whose planned time `planned_ms` has come; 0 if none was planned.

    `strategy` is one of `MisfireStrategy`. Raises `ScheduleError` if the schedule cannot be followed.
    """
    known = _known(strategy)
    if planned_ms <= 0 or schedule.type == ScheduleType.NONE:
        return Decision((), next_fire(schedule, now_ms))  # nothing was planned, so nothing is late
    if schedule.type == ScheduleType.FIX_DELAY:
        return _fixed_delay(schedule, planned_ms, known, now_ms, threshold_ms)
    missed = _missed(schedule, planned_ms, now_ms - threshold_ms)
    on_time = following(schedule, planned_ms, now_ms - threshold_ms - 1) if missed else planned_ms
    fires: list[tuple[int, TriggerType]] = []
    if missed and known is MisfireStrategy.FIRE_ONCE_NOW:
        fires.append((planned_ms, TriggerType.MISFIRE))
    while on_time is not None and on_time <= now_ms:
        fires.append((on_time, TriggerType.CRON))
        on_time = following(schedule, on_time, on_time)
    return Decision(tuple(fires), on_time, missed)


def _fixed_delay(
    schedule: Schedule, planned_ms: int, strategy: MisfireStrategy, now_ms: int, threshold_ms: int
) -> Decision:
    """One time at most; what follows is known when its run has ended."""
    if planned_ms > now_ms:
        return Decision((), planned_ms)
    missed = int(planned_ms < now_ms - threshold_ms)
    if missed and strategy is MisfireStrategy.DO_NOTHING:
        return Decision((), next_fire(schedule, now_ms), missed)
    kind = TriggerType.MISFIRE if missed else TriggerType.CRON
    return Decision(((planned_ms, kind),), AWAITING_END_MS, missed)


def _known(strategy: str) -> MisfireStrategy:
    try:
        return MisfireStrategy(strategy)
    except ValueError:
        raise ScheduleError(
            f"misfire strategy {strategy!r} is not known: use one of {', '.join(MisfireStrategy)}"
        ) from None


def _missed(schedule: Schedule, planned_ms: int, oldest_on_time_ms: int) -> int:
    """How many fire times lie before `oldest_on_time_ms`."""
    late_ms = oldest_on_time_ms - planned_ms
    if late_ms <= 0:
        return 0
    if schedule.type == ScheduleType.FIX_RATE and not schedule.end_at:
        return -(-late_ms // period_ms(schedule.conf))
    return sum(1 for _ in islice(_fires_before(schedule, planned_ms, oldest_on_time_ms), COUNT_LIMIT))


def _fires_before(schedule: Schedule, planned_ms: int, end_ms: int) -> Iterator[int]:
    at: int | None = planned_ms
    while at is not None and at < end_ms:
        yield at
        at = following(schedule, at, at)
