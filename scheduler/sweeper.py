"""Repairs what a crash or a loss of data left behind.

Per group, every `sweep_interval_s`:

- *closed*: this Redis is new to the group or lost its data. Living executors first get the time to
  name the runs they still have; then the group is opened.
- *unknown*: a row is queued, Redis never saw it: pushed again. Its block strategy was applied when
  it was first pushed and is not applied again, so that an old trigger cannot cover a newer one.
- *adrift*: Redis saw it, but it neither waits nor has a lease nor a result: somebody deleted keys.
  It runs again or ends as lost, as its row says.
- *invariant R* of the lanes that have work is checked.

"No result" takes care: a run may end while we look. So a suspicion is noted together with the
newest result at that moment, and acted upon only when everything up to that result was applied
and the row still has not ended. `adrift` reads in several steps, so it must say so twice.

Rows that are merely pending are the pusher's. Any number of sweepers may run: pushing twice
changes nothing, and a second "lost" ends nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from redis import Redis
from sqlalchemy import Engine

from baton import telemetry
from baton.broker import recovery
from baton.broker.results import Results, lane_ending
from baton.clock import SYSTEM_CLOCK, Clock
from baton.store import groups, runs
from baton.store.engine import read
from baton.vocabulary import Ending, OnLost

from .lanes import lane_pushed_to
from .pusher import PAGE_ROWS, Pusher

WINDOW_ROWS = 5000
"""Rows looked at per group and sweep: a long backlog is walked through, a window at a time."""
SETTLE_MS = 5_000
"""Younger rows are left alone: they are on their way."""
CONFIRM_WAIT_S = 0.2
"""When to ask again whether the results up to a mark were applied."""
CLOSED_WAIT_S = 0.5
"""When to look again at a closed group."""
SEEN_FOR_SURE_MS = 6 * 86_400_000
"""Redis forgets after seven days that it saw a log id; such an old run may simply still wait."""


class Fault(Enum):
    """What seems to be wrong with a run."""

    UNKNOWN = 1
    ADRIFT = 2


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something seems wrong with a run; a result that is on its way would explain it."""

    row: runs.UnfinishedRow
    fault: Fault
    sightings: int
    mark: str
    """The newest entry of the results stream right after the last sighting."""

    @property
    def is_ripe(self) -> bool:
        """Whether only the results up to the mark are to be waited for."""
        return self.fault is Fault.UNKNOWN or self.sightings >= 2


@dataclass(slots=True)
class _Group:
    """What this sweeper knows of one group."""

    suspicions: dict[int, Suspicion] = field(default_factory=dict)
    after_id: int = 0
    """Where the next window begins."""
    is_rebuilding: bool = True
    """Redis lost something: walk on to the end of the backlog without a rest."""


class Sweeper:
    """Walks through the unfinished runs of all groups."""

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        pusher: Pusher,
        *,
        host: str = "",
        on_opened: Callable[[], None],
        sweep_interval_s: float,
        reassert_window_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._pusher = pusher
        self._traceless = (
            "lost without a trace: Redis had seen it, but in two looks it was in no lane and nobody had it, "
            f"and no result of it came; noticed by {f'the sweeper on {host}' if host else 'a sweeper'}"
        )
        self._results = Results(redis, redis, "sweeper")
        self._on_opened = on_opened
        self._sweep_interval_s = sweep_interval_s
        self._reassert_window_s = reassert_window_s
        self._clock = clock
        self._server = ""
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._look_due_s = 0.0

    def step(self) -> float:
        """Open closed groups, act on what is certain, and look around when that is due."""
        now_s = self._clock.monotonic_s()
        is_look_due = now_s >= self._look_due_s
        if is_look_due:
            self._look_due_s = now_s + self._sweep_interval_s
            self._look_everywhere_after_a_restart()
        with read(self._engine) as connection:
            names = [group.app_name for group in groups.all_groups(connection)]
        waits = [self.sweep(app_name, look=is_look_due) for app_name in names]
        return min([*waits, max(0.0, self._look_due_s - self._clock.monotonic_s())])

    def sweep(self, app_name: str, *, look: bool = True) -> float:
        """One pass over one group; answers when it wants the next one."""
        if not self._open(app_name):
            return CLOSED_WAIT_S
        group = self._groups[app_name]
        self._act_on_ripe(app_name, group)
        if look or group.is_rebuilding:
            self._look(app_name, group)
        has_ripe = any(suspicion.is_ripe for suspicion in group.suspicions.values())
        if has_ripe:
            return CONFIRM_WAIT_S
        return 0.0 if group.is_rebuilding else self._sweep_interval_s

    def _look_everywhere_after_a_restart(self) -> None:
        """A restarted server may lack the last writes: walk through every backlog from its beginning."""
        server = str(self._redis.info("server")["run_id"])
        if server != self._server:
            self._server = server
            self._groups = defaultdict(_Group)

    def _open(self, app_name: str) -> bool:
        if recovery.is_open(self._redis, app_name):
            return True
        age_s = recovery.opening_age_s(self._redis, app_name)
        if age_s < self._reassert_window_s and self._may_have_running(app_name, age_s):
            return False
        recovery.open_group(self._redis, app_name)
        telemetry.event("sweep.opened", group=app_name, after_s=round(age_s, 1))
        self._groups[app_name] = _Group()
        self._on_opened()
        return True

    def _may_have_running(self, app_name: str, age_s: float) -> bool:
        """Whether an executor may run something of this group: a row that is older than the closing.

        Also one that nobody has marked as pushed: its push may have been the last thing Redis knew.
        """
        closed_ms = self._clock.now_ms() - round(age_s * 1000)
        with read(self._engine) as connection:
            return runs.has_unfinished(connection, app_name, closed_ms)

    def _look(self, app_name: str, group: _Group) -> None:
        rows = self._next_window(app_name, group)
        unknown = self._unknown(app_name, rows)
        group.is_rebuilding = group.after_id != 0 and (group.is_rebuilding or bool(unknown))
        # those of the last sweep are looked at again, whichever window they stood in
        once_adrift = {s.row.log_id: s.row for s in group.suspicions.values() if not s.is_ripe}
        known = {row.log_id: row for row in rows if row.log_id not in unknown} | once_adrift
        adrift = self._adrift(app_name, known.values())
        mark = recovery.last_result(self._redis, app_name)
        suspicions = {id_: s for id_, s in group.suspicions.items() if s.is_ripe}
        for log_id, row in unknown.items():
            suspicions.setdefault(log_id, Suspicion(row, Fault.UNKNOWN, 1, mark))
        for log_id in adrift:
            sightings = 2 if log_id in once_adrift else 1
            suspicions.setdefault(log_id, Suspicion(known[log_id], Fault.ADRIFT, sightings, mark))
        group.suspicions = suspicions
        self._repair_ready(app_name, rows)

    def _next_window(self, app_name: str, group: _Group) -> list[runs.UnfinishedRow]:
        older_than_ms = self._clock.now_ms() - SETTLE_MS
        with read(self._engine) as connection:
            rows = runs.unfinished(connection, app_name, group.after_id, WINDOW_ROWS, older_than_ms)
        group.after_id = rows[-1].log_id if len(rows) == WINDOW_ROWS else 0
        return rows

    def _unknown(self, app_name: str, rows: Sequence[runs.UnfinishedRow]) -> dict[int, runs.UnfinishedRow]:
        unknown: set[int] = set()
        for page in _pages(rows):
            unknown |= recovery.unknown(self._redis, app_name, [row.log_id for row in page])
        found = {row.log_id: row for row in rows if row.log_id in unknown}
        sure_ms = self._clock.now_ms() - SEEN_FOR_SURE_MS
        old = [row for row in found.values() if row.trigger_time < sure_ms]
        waiting = {row.log_id for row in old} - self._adrift(app_name, old)
        return {log_id: row for log_id, row in found.items() if log_id not in waiting}

    def _adrift(self, app_name: str, rows: Iterable[runs.UnfinishedRow]) -> set[int]:
        places = [(row.log_id, lane_pushed_to(row)) for row in rows]
        return recovery.adrift(self._redis, app_name, places)

    def _repair_ready(self, app_name: str, rows: Sequence[runs.UnfinishedRow]) -> None:
        lanes = sorted({lane_pushed_to(row) for row in rows})
        wrong = recovery.repair_ready(self._redis, app_name, lanes)
        if wrong:
            telemetry.warning("sweep.repaired", group=app_name, lanes=wrong)

    def _act_on_ripe(self, app_name: str, group: _Group) -> None:
        ripe = [s for s in group.suspicions.values() if s.is_ripe]
        passed = {mark: self._has_passed(app_name, mark) for mark in {s.mark for s in ripe}}
        certain = [s for s in ripe if passed[s.mark]]
        if not certain:
            return
        for suspicion in certain:
            del group.suspicions[suspicion.row.log_id]
        with read(self._engine) as connection:
            states = runs.states(connection, [s.row.log_id for s in certain])
        certain = [s for s in certain if s.row.log_id in states and states[s.row.log_id].outcome is None]
        self._push_again(app_name, [s.row for s in certain if s.fault is Fault.UNKNOWN])
        lost = [s.row for s in certain if s.fault is Fault.ADRIFT]
        self._run_again(app_name, [row for row in lost if row.on_lost == OnLost.RERUN])
        self._report_lost(app_name, [row for row in lost if row.on_lost != OnLost.RERUN])

    def _has_passed(self, app_name: str, mark: str) -> bool:
        return recovery.results_passed(self._redis, app_name, mark)

    def _push_again(self, app_name: str, rows: Sequence[runs.UnfinishedRow]) -> None:
        for page in _pages(rows):
            self._pusher.push(page, already_judged=True)
        if rows:
            telemetry.event("sweep.rebuilt", group=app_name, rows=len(rows))

    def _run_again(self, app_name: str, rows: Sequence[runs.UnfinishedRow]) -> None:
        if not rows:
            return
        raised = [replace(row, attempt=row.attempt + 1) for row in rows]
        # forgotten but not yet pushed: the next sweep finds these rows unknown and pushes them
        recovery.forget(self._redis, app_name, [row.log_id for row in rows])
        self._pusher.push(raised, already_judged=True)
        self._report(app_name, Ending.RERUN, raised, f"{self._traceless}; started again")

    def _report_lost(self, app_name: str, rows: Sequence[runs.UnfinishedRow]) -> None:
        if rows:
            self._report(app_name, Ending.LOST, rows, self._traceless)

    def _report(self, app_name: str, ending: Ending, rows: Sequence[runs.UnfinishedRow], reason: str) -> None:
        endings = {
            f"{ending}:{row.log_id}": lane_ending(reason, "", row.attempt, self._pusher.sealed(row, app_name))
            for row in rows
        }
        self._results.append(app_name, endings)
        telemetry.warning("sweep.lost", group=app_name, runs=len(rows), ending=ending)


def _pages(rows: Sequence[runs.UnfinishedRow]) -> Iterator[Sequence[runs.UnfinishedRow]]:
    for start in range(0, len(rows), PAGE_ROWS):
        yield rows[start : start + PAGE_ROWS]
