"""Which fire times of a due job count now: the ones in time, one for the missed, or none (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..vocabulary import MisfireStrategy, ScheduleType, TriggerType
from . import next_fire
from .interval import rate_ms

_MOST_COUNTED = 1_000
"""Missed fire times are counted up to here: a job may have been off for years."""


class DueSchedule(Protocol):
    """What is needed to know of a due job."""

    @property
    def next_trigger_time(self) -> int:
        """Its planned fire time, which has come."""

    @property
    def schedule_type(self) -> str:
        """CRON or FIX_RATE."""

    @property
    def schedule_conf(self) -> str:
        """The expression, or the seconds."""

    @property
    def time_zone(self) -> str:
        """Where its wall clock hangs."""

    @property
    def misfire_strategy(self) -> str:
        """What to do about missed fire times."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a due job."""

    fires: tuple[tuple[int, TriggerType], ...]
    """Fire times that become log rows, oldest first."""
    next_ms: int | None
    """The next fire time, after now; None: there is none."""
    missed: int
    """Fire times met too late, counted up to 1,000."""


def due_fires(job: DueSchedule, now_ms: int, threshold_ms: int = 5_000) -> Decision:
    """What counts now. A fire time more than `threshold_ms` late is missed; every other one fires.

    Missed ones fire once together with FIRE_ONCE_NOW, under the first of them, and never with
    DO_NOTHING. Raises `ScheduleError`.
    """
    missed, first_in_time = _skip_missed(job, now_ms - threshold_ms)
    fires: list[tuple[int, TriggerType]] = []
    if missed and job.misfire_strategy == MisfireStrategy.FIRE_ONCE_NOW:
        fires.append((job.next_trigger_time, TriggerType.MISFIRE))
    fire_ms = first_in_time
    while fire_ms is not None and fire_ms <= now_ms:
        fires.append((fire_ms, TriggerType.CRON))
        fire_ms = _following(job, fire_ms)
    return Decision(tuple(fires), fire_ms, missed)


def _skip_missed(job: DueSchedule, oldest_ms: int) -> tuple[int, int | None]:
    """How many fire times lie before `oldest_ms`, and the first that does not."""
    if job.next_trigger_time >= oldest_ms:
        return 0, job.next_trigger_time
    if job.schedule_type == ScheduleType.FIX_RATE:
        step_ms = rate_ms(job.schedule_conf)
        steps = -(-(oldest_ms - job.next_trigger_time) // step_ms)
        return min(steps, _MOST_COUNTED), job.next_trigger_time + steps * step_ms
    missed = sum(1 for _ in _fires_before(job, oldest_ms))
    return missed, _following(job, oldest_ms - 1)


def _fires_before(job: DueSchedule, oldest_ms: int) -> Iterator[int]:
    fire_ms: int | None = job.next_trigger_time
    for _ in range(_MOST_COUNTED):
        if fire_ms is None or fire_ms >= oldest_ms:
            return
        yield fire_ms
        fire_ms = _following(job, fire_ms)


def _following(job: DueSchedule, after_ms: int) -> int | None:
    return next_fire(job.schedule_type, job.schedule_conf, job.time_zone, after_ms)
