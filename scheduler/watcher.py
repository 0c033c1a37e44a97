"""Notices dead executors and takes their runs back.

An executor counts its beats. It is dead when its counter has not moved for `dead_after_s` of
*observed* time: this observer's monotonic clock, and only the stretches it really looked at. A
pause of Redis, of the network or of this process adds next to nothing to anybody's silence, so
it kills nobody; nor does a new observer, which starts from zero. Wall clocks are never compared.

Any number of watchers may look at once: the script takes runs back only while the counter still
stands where the observer saw it, and each run only once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Engine

from baton import telemetry
from baton.broker import presence, recovery
from baton.clock import SYSTEM_CLOCK, Clock
from baton.store import groups
from baton.store.engine import read
from baton.vocabulary import Ending

from .alarm_watch import executor_lost

WATCH_INTERVAL_S = 1.0
LEAST_READINGS = 3
"""A silence must have been seen this often: one late reading proves nothing."""
LONGEST_GAP_S = 2 * WATCH_INTERVAL_S
"""What one reading may add to a silence; what lies beyond was not observed."""


@dataclass(frozen=True, slots=True)
class _Silence:
    """Since when one executor's counter stands still, as far as we looked."""

    beat: int
    readings: int = 0
    observed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LostExecutor:
    """An executor that was declared dead, and what became of its runs."""

    app_name: str
    executor_id: str
    endings: tuple[tuple[int, Ending], ...]
    """(log id, ending) of each run that was taken back."""


class Watcher:
    """Looks at the beat counters of all groups about once a second."""

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        *,
        dead_after_s: float,
        host: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._dead_after_s = dead_after_s
        self._name = f"the watcher on {host}" if host else "a watcher"
        self._clock = clock
        self._silences: dict[tuple[str, str], _Silence] = {}
        self._looked_s: dict[str, float] = {}
        self._untold: list[tuple[str, str, str]] = []
        """Group, executor and evidence of the dead that no alarm was written about yet."""

    def step(self) -> float:
        """Look once at every group; answers when to look again."""
        self._tell()
        with read(self._engine) as connection:
            names = [group.app_name for group in groups.all_groups(connection)]
        for app_name in names:
            self.watch(app_name)
        return WATCH_INTERVAL_S

    def watch(self, app_name: str) -> list[LostExecutor]:
        """Look at one group, and take back the runs of its dead executors."""
        beats = presence.beats(self._redis, app_name)
        gap_s = self._gap_since_last_look(app_name)
        self._forget_those_who_left(app_name, beats)
        lost = []
        for executor_id, beat in beats.items():
            silence = _longer(self._silences.get((app_name, executor_id)), beat, gap_s)
            self._silences[app_name, executor_id] = silence
            if self._is_dead(silence):
                lost += self._take_back(app_name, executor_id, silence)
        return lost

    def _gap_since_last_look(self, app_name: str) -> float:
        now_s = self._clock.monotonic_s()
        gap_s = now_s - self._looked_s.get(app_name, now_s)
        self._looked_s[app_name] = now_s
        return min(gap_s, LONGEST_GAP_S)

    def _forget_those_who_left(self, app_name: str, beats: dict[str, int]) -> None:
        for group, executor_id in list(self._silences):
            if group == app_name and executor_id not in beats:
                del self._silences[group, executor_id]

    def _is_dead(self, silence: _Silence) -> bool:
        return silence.observed_s >= self._dead_after_s and silence.readings >= LEAST_READINGS

    def _take_back(self, app_name: str, executor_id: str, silence: _Silence) -> list[LostExecutor]:
        del self._silences[app_name, executor_id]
        evidence = f"its last beat was at least {silence.observed_s:.1f} s old, noticed by {self._name}"
        endings = recovery.recover(self._redis, app_name, executor_id, silence.beat, evidence=evidence)
        if endings is None:
            return []  # it has beaten since we looked: alive after all, its silence starts anew
        counts = Counter(str(ending) for _, ending in endings)
        telemetry.warning("watch.executor_lost", group=app_name, executor=executor_id, **counts)
        text = f"executor {executor_id} of group {app_name!r} stopped beating; {evidence}"
        # Redis has forgotten the executor: if the database is away now, only we know whom to tell of
        self._untold.append((app_name, executor_id, text))
        self._tell()
        return [LostExecutor(app_name, executor_id, tuple(endings))]

    def _tell(self) -> None:
        while self._untold:
            app_name, executor_id, text = self._untold[0]
            executor_lost(self._engine, app_name, executor_id, text, self._clock.now_ms())
            del self._untold[0]


def _longer(before: _Silence | None, beat: int, gap_s: float) -> _Silence:
    if before is None or before.beat != beat:
        return _Silence(beat)
    return _Silence(beat, before.readings + 1, before.observed_s + gap_s)
