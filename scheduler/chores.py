"""The timetable of background work, and the sweep over what failed.

A chore is handed over once a period, however many schedulers there are: its id names the period. It gets the
beginning of that period (epoch milliseconds) and does the work of that period, so doing it twice changes
nothing. Periods begin at midnight UTC or a whole multiple of `every_s` after it.

The background process does one thing at a time, and alarms wait in the same queue. So a chore works for
seconds, not minutes: it does its work in small commits, stops after its share, goes on in the next period.
For the same reason one that waited for a whole period is dropped: while nobody works, a line of minutes
must not grow that alarms would stand behind. One whose next period comes soon is not tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis

from baton import telemetry
from baton.broker import chores
from baton.clock import SYSTEM_CLOCK, Clock

STEP_S = 10.0
PAUSES_S = (10, 60, 300, 1800)
"""Before what failed is tried a second time, a third, …; then it is given up, and said so."""
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Chore:
    """A line of the timetable."""

    name: str
    """The dotted path of a function that takes the beginning of its period."""
    every_s: int
    at_s: int = 0
    """So long after the beginning of its period it is done."""
    timeout_s: int = 60


TIMETABLE = (
    Chore("background.scan.scan", every_s=60, at_s=30),
    Chore("background.alarms.forget", every_s=_HOUR_S, at_s=600),
    Chore("background.reports.count", every_s=60, at_s=5),
    Chore("background.reports.forget_hours", every_s=_HOUR_S, at_s=1800),
    Chore("background.retention.delete_old_runs", every_s=60),
    Chore("background.retention.tidy", every_s=_HOUR_S, at_s=1200),
)


class Chores:
    """Hands over what is due; any number of schedulers may."""

    def __init__(
        self, redis: Redis, *, timetable: Sequence[Chore] = TIMETABLE, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._timetable = timetable
        self._clock = clock
        self._queue = chores.queue(redis)
        self._done: dict[str, int] = {}
        """The period of each chore that was handed over, by us or by another scheduler."""

    def step(self) -> float:
        """Look once at the timetable and at what failed."""
        now_ms = self._clock.now_ms()
        for chore in self._timetable:
            period_ms = period_of(chore, now_ms)
            if self._done.get(chore.name) != period_ms:
                self._hand_over(chore, period_ms)
        for broken in chores.take_up_again(self._queue, PAUSES_S):
            telemetry.warning(
                "chore.given_up", work=broken.work_id, tries=broken.tries, problem=broken.problem
            )
        return STEP_S

    def _hand_over(self, chore: Chore, period_ms: int) -> None:
        work_id = f"chore-{chore.name.replace('.', '_')}-{period_ms // 1000}"
        # its id is known until the period is over, so a scheduler that starts late finds it done
        kept_s = chore.every_s + _HOUR_S
        if chores.hand_over(
            self._queue,
            chore.name,
            work_id,
            period_ms,
            timeout_s=chore.timeout_s,
            kept_s=kept_s,
            waits_s=chore.every_s,
            is_repeated=chore.every_s <= sum(PAUSES_S),
        ):
            telemetry.detail("chore.handed_over", work=work_id)
        self._done[chore.name] = period_ms


def period_of(chore: Chore, now_ms: int) -> int:
    """The beginning of the newest period whose moment has come, epoch milliseconds (pure)."""
    every_ms = chore.every_s * 1000
    return (now_ms - chore.at_s * 1000) // every_ms * every_ms
