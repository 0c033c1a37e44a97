"""Which fire times of a job are due now: none, some, or one that makes up for missed ones. Pure.

A fire time is *on time* until it is `threshold_ms` late, and each that is on time fires: a hiccup
of three seconds costs a job of every second nothing. What is later than that was *missed*, and the
job's misfire strategy decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ..errors import ScheduleError
from ..vocabulary import MisfireStrategy, ScheduleType, TriggerType
from . import following
from .interval import period_ms

COUNT_LIMIT = 50
"""Missed times of a cron are counted up to here: one that slept for a year must not hold up other jobs."""


class Scheduled(Protocol):
    """What is asked of a job."""

    @property
    def next_trigger_time(self) -> int:
        """Its planned fire time, which has come; 0 if none was planned."""

    @property
    def schedule_type(self) -> str:
        """One of `ScheduleType`."""

    @property
    def schedule_conf(self) -> str:
        """The expression, or the seconds."""

    @property
    def time_zone(self) -> str:
        """Where its wall clock hangs."""

    @property
    def dst_gap(self) -> str:
        """One of `DstGap`."""

    @property
    def dst_fold(self) -> str:
        """One of `DstFold`."""

    @property
    def misfire_strategy(self) -> str:
        """One of `MisfireStrategy`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job that is due."""

    fires: tuple[tuple[int, TriggerType], ...]
    """Fire times that become log rows, oldest first. A MISFIRE names the first time that was missed."""
    next_ms: int | None
    """Strictly after now; None if the schedule names no further time."""
    missed: int = 0
    """How many times were missed; a cron's are counted up to `COUNT_LIMIT`."""


def due_fires(job: Scheduled, now_ms: int, threshold_ms: int = 5000) -> Decision:
    """Decide for one job at `now_ms`; raises `ScheduleError` if its schedule cannot be followed."""
    strategy = _strategy(job)
    planned_ms = job.next_trigger_time
    if planned_ms <= 0 or job.schedule_type == ScheduleType.NONE:
        return Decision((), _after(job, now_ms, now_ms))  # nothing was planned, so nothing is late
    missed = _missed(job, now_ms - threshold_ms)
    on_time = _after(job, planned_ms, now_ms - threshold_ms - 1) if missed else planned_ms
    fires: list[tuple[int, TriggerType]] = []
    if missed and strategy is MisfireStrategy.FIRE_ONCE_NOW:
        fires.append((planned_ms, TriggerType.MISFIRE))
    while on_time is not None and on_time <= now_ms:
        fires.append((on_time, TriggerType.CRON))
        on_time = _after(job, on_time, on_time)
    return Decision(tuple(fires), on_time, missed)


def _strategy(job: Scheduled) -> MisfireStrategy:
    try:
        return MisfireStrategy(job.misfire_strategy)
    except ValueError:
        raise ScheduleError(
            f"misfire strategy {job.misfire_strategy!r} is not known: use one of {', '.join(MisfireStrategy)}"
        ) from None


def _missed(job: Scheduled, oldest_on_time_ms: int) -> int:
    """How many fire times lie before `oldest_on_time_ms`."""
    late_ms = oldest_on_time_ms - job.next_trigger_time
    if late_ms <= 0:
        return 0
    if job.schedule_type == ScheduleType.FIX_RATE:
        return -(-late_ms // period_ms(job.schedule_conf))
    return sum(1 for _ in _fires_before(job, oldest_on_time_ms))


def _fires_before(job: Scheduled, end_ms: int) -> Iterator[int]:
    each: int | None = job.next_trigger_time
    for _ in range(COUNT_LIMIT):
        if each is None or each >= end_ms:
            return
        yield each
        each = _after(job, each, each)


def _after(job: Scheduled, planned_ms: int, after_ms: int) -> int | None:
    return following(
        job.schedule_type,
        job.schedule_conf,
        job.time_zone,
        planned_ms,
        after_ms,
        gap=job.dst_gap,
        fold=job.dst_fold,
    )
