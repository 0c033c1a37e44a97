"""Looks for runs that should have begun and have not: nobody should have to wait for their end to know.

SQL does not know which runs have begun, and Redis forgets a run with its result, which may wait for a while.
So a run without a lease is only suspected; it has not begun if its row is still without an end after all
results up to that moment were applied.

A run that began late is told of by its ending as well, under the same key: people hear of it once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Engine

from baton.broker import control, recovery
from baton.clock import SYSTEM_CLOCK, Clock
from baton.store import alarms, groups, lateness
from baton.store.alarms import NewAlarm
from baton.store.engine import read, write
from baton.store.groups import GroupView
from baton.store.lateness import DueRun
from baton.vocabulary import AlarmCondition

STEP_S = 5.0


@dataclass(frozen=True, slots=True)
class _Suspects:
    """The runs of a group that had no lease when we looked."""

    log_ids: Collection[int] = ()
    mark: str = ""
    """The newest result right after that."""


class LateWatch:
    """Looks at every group every few seconds; any number of schedulers may."""

    def __init__(
        self, engine: Engine, redis: Redis, *, late_after_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._late_after_s = round(late_after_s)
        self._clock = clock
        self._suspects: dict[int, _Suspects] = {}

    def step(self) -> float:
        """Look once."""
        with read(self._engine) as connection:
            known = groups.all_groups(connection)
        for group in known:
            self.look(group)
        return STEP_S

    def look(self, group: GroupView) -> None:
        """Write down which runs of one group are late."""
        if not recovery.is_open(self._redis, group.app_name):
            self._suspects.pop(group.id, None)  # executors are still naming the runs they have
            return
        waiting = self._suspects_without_result(group)
        now_ms = self._clock.now_ms()
        with read(self._engine) as connection:
            due = lateness.overdue(connection, group.id, self._late_after_s, now_ms)
        if not due:
            return
        began_ms = control.running_since(self._redis, group.app_name, [run.log_id for run in due])
        if group.id not in self._suspects:
            mark = recovery.last_result(self._redis, group.app_name)
            self._suspects[group.id] = _Suspects({run.log_id for run in due} - set(began_ms), mark)
        news = late_ones(due, began_ms, waiting, now_ms)
        if news:
            with write(self._engine) as connection:
                alarms.raise_alarms(connection, news, now_ms)

    def _suspects_without_result(self, group: GroupView) -> Collection[int]:
        """Those that had not begun when we looked, unless their rows have ended by now."""
        suspects = self._suspects.get(group.id, _Suspects())
        if suspects.log_ids and not recovery.results_passed(self._redis, group.app_name, suspects.mark):
            return ()
        self._suspects.pop(group.id, None)
        return suspects.log_ids


def late_ones(
    due: Sequence[DueRun], began_ms: Mapping[int, int], waiting: Collection[int], now_ms: int
) -> list[NewAlarm]:
    """The alarms of runs that should have begun: those that wait, and those that began too late (pure)."""
    began = [
        _alarm(run, f"it began {(began_ms[run.log_id] - run.due_ms) / 1000:,.0f} s late")
        for run in due
        if run.log_id in began_ms and run.is_late(began_ms[run.log_id])
    ]
    return began + [
        _alarm(run, f"it has waited {(now_ms - run.due_ms) / 1000:,.0f} s")
        for run in due
        if run.log_id in waiting and run.log_id not in began_ms
    ]


def _alarm(run: DueRun, text: str) -> NewAlarm:
    key = f"late:{run.log_id}"
    return NewAlarm(key, AlarmCondition.LATE, run.group_id, run.job_id, run.log_id, text)
