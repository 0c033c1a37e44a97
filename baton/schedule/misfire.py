"""Which fire times of a job are due now: none, some, or what makes up for missed ones. Pure.

A fire time is *on time* until it is `threshold_ms` late, and each that is on time fires: a hiccup
of three seconds costs a job of every second nothing. What is later than that was *missed*, and the
job's misfire strategy decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ..errors import ScheduleError
from ..vocabulary import MisfireStrategy, ScheduleType, TriggerType
from . import AWAITING_END_MS, Schedule, following, next_fire
from .interval import period_ms

COUNT_LIMIT = 50
"""Missed times of a cron are counted up to here: one that slept for a year must not hold up other jobs."""
MOST_CATCHUP = 1000
"""No job makes up for more missed times than this, whatever it asks for."""

_FIRST_LOOK_MS = 60_000


@dataclass(frozen=True, slots=True)
class MisfireRule:
    """What a job says about missed fire times."""

    strategy: str = MisfireStrategy.DO_NOTHING
    """One of `MisfireStrategy`."""
    max_catchup: int = 10
    """FIRE_ALL makes up for at most so many, the newest."""
    catchup_window_s: int = 86_400
    """FIRE_ALL makes up for none that is older."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job that is due."""

    fires: tuple[tuple[int, TriggerType], ...]
    """Fire times that become log rows, oldest first.

    The one MISFIRE of FIRE_ONCE_NOW names the first time that was missed; FIRE_ALL has one for each.
    """
    next_ms: int | None
    """Strictly after now, or the first of what is still to be made up for; None if no further time comes."""
    missed: int = 0
    """How many times were missed; a cron's are counted up to `COUNT_LIMIT`."""


def due_fires(
    schedule: Schedule,
    planned_ms: int,
    rule: MisfireRule,
    now_ms: int,
    *,
    threshold_ms: int = 5000,
    most_made_up: int = MOST_CATCHUP,
) -> Decision:
    """Decide at `now_ms` for one job whose planned time `planned_ms` has come; 0 if none was planned.

    When FIRE_ALL has more than `most_made_up` to make up for, the decision stops there, and its next
    time is the first of the rest: decide again. Raises `ScheduleError` if the schedule cannot be
    followed.
    """
    strategy = _known(rule.strategy)
    if planned_ms <= 0 or schedule.type == ScheduleType.NONE:
        return Decision((), next_fire(schedule, now_ms))  # nothing was planned, so nothing is late
    if schedule.type == ScheduleType.FIX_DELAY:
        return _fixed_delay(schedule, planned_ms, strategy, now_ms, threshold_ms)
    oldest_on_time_ms = now_ms - threshold_ms
    missed = _missed(schedule, planned_ms, oldest_on_time_ms)
    on_time = following(schedule, planned_ms, oldest_on_time_ms - 1) if missed else planned_ms
    fires: list[tuple[int, TriggerType]] = []
    if missed and strategy is MisfireStrategy.FIRE_ONCE_NOW:
        fires.append((planned_ms, TriggerType.MISFIRE))
    if missed and strategy is MisfireStrategy.FIRE_ALL:
        made_up = _to_make_up(schedule, planned_ms, rule, now_ms, oldest_on_time_ms)
        fires += ((at, TriggerType.MISFIRE) for at in made_up[:most_made_up])
        if len(made_up) > most_made_up:
            return Decision(tuple(fires), made_up[most_made_up], missed)
    while on_time is not None and on_time <= now_ms:
        fires.append((on_time, TriggerType.CRON))
        on_time = following(schedule, on_time, on_time)
    return Decision(tuple(fires), on_time, missed)


def _to_make_up(
    schedule: Schedule, planned_ms: int, rule: MisfireRule, now_ms: int, end_ms: int
) -> list[int]:
    """The newest missed times before `end_ms` that the rule allows, oldest first."""
    since_ms = max(planned_ms, now_ms - rule.catchup_window_s * 1000)
    most = min(rule.max_catchup, MOST_CATCHUP)
    begin_ms = end_ms
    # a look back that doubles until it has enough: a cron of every second that slept for a day is not
    # walked through from its beginning
    while most > 0 and begin_ms > since_ms:
        begin_ms = max(since_ms, end_ms - 2 * (end_ms - begin_ms) - _FIRST_LOOK_MS)
        first = planned_ms if planned_ms >= begin_ms else following(schedule, planned_ms, begin_ms - 1)
        found = deque(_fires_before(schedule, first, end_ms), maxlen=most)
        if len(found) == most or begin_ms == since_ms:
            return list(found)
    return []


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
    if schedule.type == ScheduleType.FIX_RATE and not schedule.end_at and not schedule.calendar:
        return -(-late_ms // period_ms(schedule.conf))
    return sum(1 for _ in islice(_fires_before(schedule, planned_ms, oldest_on_time_ms), COUNT_LIMIT))


def _fires_before(schedule: Schedule, first_ms: int | None, end_ms: int) -> Iterator[int]:
    at = first_ms
    while at is not None and at < end_ms:
        yield at
        at = following(schedule, at, at)
