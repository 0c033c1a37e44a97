"""Looks for what no ending tells of: runs that wait where nobody listens, results and spools in need."""

from __future__ import annotations

from redis import Redis
from sqlalchemy import Engine

from baton.broker import presence
from baton.clock import SYSTEM_CLOCK, Clock
from baton.store import alarms, failed_callbacks, groups, runs
from baton.store.alarms import NewAlarm
from baton.store.engine import read, write
from baton.store.failed_callbacks import Backlog
from baton.store.groups import GroupView
from baton.vocabulary import AlarmCondition, SpoolState

STEP_S = 5.0


class AlarmWatch:
    """Looks at every group every few seconds; any number of schedulers may."""

    def __init__(
        self, engine: Engine, redis: Redis, *, no_executor_after_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._after_s = no_executor_after_s
        self._clock = clock
        self._deserted_since_s: dict[int, float] = {}

    def step(self) -> float:
        """Look once."""
        with read(self._engine) as connection:
            known = groups.all_groups(connection)
            kept = {each.app_name: each for each in failed_callbacks.backlog(connection)}
        news: list[NewAlarm] = []
        for group in known:
            executors = presence.executors(self._redis, group.app_name)
            news += self._of_desertion(group, has_executors=bool(executors))
            news += self._of_spools(group, executors)
            if group.app_name in kept:
                news.append(_of_kept(group, kept[group.app_name]))
        if news:
            with write(self._engine) as connection:
                alarms.raise_alarms(connection, news, self._clock.now_ms())
        return STEP_S

    def _of_desertion(self, group: GroupView, *, has_executors: bool) -> list[NewAlarm]:
        if has_executors:
            self._deserted_since_s.pop(group.id, None)
            self._well_again(group)
            return []
        with read(self._engine) as connection:
            waiting = runs.count_waiting(connection, group.id)
            is_known = alarms.has_open(connection, group.id)
        if not waiting:
            self._deserted_since_s.pop(group.id, None)
            return []
        now_s = self._clock.monotonic_s()
        since_s = self._deserted_since_s.setdefault(group.id, now_s)
        if is_known or now_s - since_s < self._after_s:
            return []
        since_ms = self._clock.now_ms() - round((now_s - since_s) * 1000)
        # several schedulers see it a moment apart: the minute tells it from the next time
        key = f"no-executor:{group.id}:{since_ms // 60_000}"
        text = f"{waiting} runs wait in group {group.app_name!r}, and no executor listens there"
        return [NewAlarm(key, AlarmCondition.NO_EXECUTOR, group.id, text=text)]

    def _well_again(self, group: GroupView) -> None:
        with read(self._engine) as connection:
            is_known = alarms.has_open(connection, group.id)
        if is_known:
            with write(self._engine) as connection:
                alarms.recover_group(connection, group.id, self._clock.now_ms())

    def _of_spools(self, group: GroupView, executors: list[presence.ExecutorInfo]) -> list[NewAlarm]:
        # several schedulers see it, again and again: the hour makes it one, and tells it from the next time
        hour = self._clock.now_ms() // 3_600_000
        return [
            NewAlarm(
                f"spool:{each.executor_id}:{hour}",
                AlarmCondition.SPOOL_FULL,
                group.id,
                text=f"the spool of executor {each.executor_id} is {each.spool_state}: Redis takes nothing",
            )
            for each in executors
            if each.spool_state != SpoolState.OK
        ]


def _of_kept(group: GroupView, backlog: Backlog) -> NewAlarm:
    text = (
        f"{backlog.waiting} results of group {group.app_name!r} could not be applied and wait for a decision"
    )
    return NewAlarm(f"kept:{group.id}:{backlog.oldest_ms}", AlarmCondition.RESULT_KEPT, group.id, text=text)


def executor_lost(engine: Engine, app_name: str, executor_id: str, text: str, now_ms: int) -> None:
    """An executor was declared dead: write down that people should know. Twice is once."""
    with write(engine) as connection:
        group = next((each for each in groups.all_groups(connection) if each.app_name == app_name), None)
        if group is not None:
            key = f"lost:{executor_id}"
            alarm = NewAlarm(key, AlarmCondition.EXECUTOR_LOST, group.id, text=text)
            alarms.raise_alarms(connection, [alarm], now_ms)
