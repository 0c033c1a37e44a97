"""Reads results, applies them in one transaction, acknowledges them after the commit.

A crash before the commit leaves the entries pending in the stream; a crash after it leaves
entries that change nothing the second time. Either way another consumer takes them over after
`TAKE_OVER_IDLE_S`. While the database is away nothing is acknowledged: the batch in hand is tried
again and again. A result the database refuses for its content is put aside alone.

An entry may even end the process that reads it. What was delivered `ALONE_AFTER` times is applied
alone, so that it takes no neighbour with it, and after `GIVE_UP_AFTER` it is put aside unread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from redis import Redis
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from baton import telemetry
from baton.broker.nudge import nudge
from baton.broker.results import ResultEntry, Results
from baton.clock import SYSTEM_CLOCK, Clock
from baton.envelope import group_key
from baton.failpoints import failpoint
from baton.store import groups
from baton.store.engine import read, write
from baton.vocabulary import Outcome

from . import counting, failed_callbacks
from .apply import Applied, apply_batch, rejected, rejected_field

if TYPE_CHECKING:
    from .apply_spans import ApplySpans

BATCH_ENTRIES = 50
"""Entries read at once; one settle of an executor is one entry of up to some dozens of results."""
BLOCK_S = 1.0
"""How long one read waits for a result: a stop is obeyed within this time."""
GROUPS_REFRESH_S = 2.0
"""How long a new executor group may stay unnoticed."""
TAKE_OVER_INTERVAL_S = 5.0
TAKE_OVER_IDLE_S = 10.0
"""Longer than a healthy consumer needs for one batch."""
ALONE_AFTER = 3
GIVE_UP_AFTER = 10
TRIES_UNTIL_BLAMED = 5
"""A batch that a working database refused so often, though not for its content by its own word, is
taken apart: a statement that always takes too long is no database that is away."""


class Consumer:
    """One consumer of the results streams of all groups."""

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        results: Results,
        *,
        access_token: str,
        late_after_s: int = 0,
        on_counted: Callable[[], None] = lambda: None,
        clock: Clock = SYSTEM_CLOCK,
        spans: ApplySpans | None = None,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._results = results
        self._key_of = lru_cache(maxsize=None)(lambda app_name: group_key(access_token, app_name))
        self._late_after_s = late_after_s
        self._on_counted = on_counted
        self._clock = clock
        self._spans = spans
        self._app_names: list[str] = []
        self._groups_due_s = 0.0
        self._take_over_due_s = 0.0
        self._in_hand: list[ResultEntry] = []
        self._tries = 0

    def step(self) -> float:
        """Apply one batch. It waits inside, for the next result, so it wants no rest."""
        if not self._refresh_groups():
            return GROUPS_REFRESH_S
        # kept in hand until acknowledged: a batch the database refused is tried again first
        self._in_hand = self._in_hand or self._next_entries()
        if self._in_hand:
            for batch in _batches(self._in_hand):
                self.apply(batch)
                self._in_hand = self._in_hand[len(batch) :]
        return 0.0

    def apply(self, entries: Sequence[ResultEntry]) -> Applied:
        """Apply `entries` and take them out of the stream."""
        began_ns = time.time_ns()
        applied = self._write(entries)
        counting.count(entries, applied, self._clock.now_ms())
        self._on_counted()
        # committed, not yet acknowledged: read again after a crash, and then nothing changes
        failpoint("apply.committed")
        self._results.acknowledge(entries)
        failpoint("apply.acknowledged")
        if applied.followups or applied.rerouted:
            nudge(self._redis)
        _tell(applied)
        if self._spans is not None:
            self._spans.applied(applied.traced, began_ns)
        return applied

    def _refresh_groups(self) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s >= self._groups_due_s:
            with read(self._engine) as connection:
                self._app_names = [group.app_name for group in groups.all_groups(connection)]
            self._groups_due_s = now_s + GROUPS_REFRESH_S
        return bool(self._app_names)

    def _next_entries(self) -> list[ResultEntry]:
        now_s = self._clock.monotonic_s()
        if now_s >= self._take_over_due_s:
            taken = self._results.take_over(
                self._app_names, idle_ms=round(TAKE_OVER_IDLE_S * 1000), count=BATCH_ENTRIES
            )
            if taken:
                return taken  # and look for more before reading new ones
            self._take_over_due_s = now_s + TAKE_OVER_INTERVAL_S
        return self._results.read(self._app_names, count=BATCH_ENTRIES, block_ms=round(BLOCK_S * 1000))

    def _write(self, entries: Sequence[ResultEntry]) -> Applied:
        if entries[0].deliveries >= GIVE_UP_AFTER:
            return self._give_up(entries[0])
        try:
            applied = self._write_together(entries)
        except Exception as problem:
            if self._database_is_away(problem):
                raise
            telemetry.problem("loop.failed", problem, loop="consumer", entries=len(entries))
            applied = self._write_halves(_one_item_each(entries))
        self._tries = 0
        return applied

    def _give_up(self, entry: ResultEntry) -> Applied:
        """Who read this before never came to its end: a person shall look at it."""
        reason = f"delivered {entry.deliveries} times and never applied: whoever tried it ended"
        everything = [rejected(entry, item, reason) for item in entry.items]
        everything += [rejected_field(entry, bad, reason) for bad in entry.bad]
        with write(self._engine) as connection:
            failed_callbacks.keep(connection, everything, self._clock.now_ms())
        return Applied(rejected=len(everything))

    def _write_together(self, entries: Sequence[ResultEntry]) -> Applied:
        with write(self._engine) as connection:
            applied = apply_batch(connection, entries, self._key_of, self._clock.now_ms(), self._late_after_s)
            failpoint("apply.before_commit")
        return applied

    def _write_halves(self, singles: Sequence[ResultEntry]) -> Applied:
        """Halve until the item that the database refuses stands alone, and put that one aside."""
        try:
            return self._write_together(singles)
        except Exception as problem:
            if self._database_is_away(problem):
                raise
            if len(singles) == 1:
                return self._put_aside(singles[0], problem)
        middle = len(singles) // 2
        return self._write_halves(singles[:middle]) + self._write_halves(singles[middle:])

    def _database_is_away(self, problem: Exception) -> bool:
        """Whether the batch may succeed later: the fault lies with the database, not with an item."""
        if isinstance(problem, DBAPIError) and problem.connection_invalidated:
            return True
        if not isinstance(problem, (OperationalError, InterfaceError, OSError)):
            return False
        self._tries += 1
        return self._tries < TRIES_UNTIL_BLAMED or not self._can_write()

    def _can_write(self) -> bool:
        try:
            with write(self._engine) as connection:
                connection.execute(select(1))
        except Exception:
            return False
        return True

    def _put_aside(self, single: ResultEntry, problem: Exception) -> Applied:
        reason = f"{type(problem).__name__}: {problem}"
        rejects = [rejected(single, item, reason) for item in single.items]
        with write(self._engine) as connection:
            failed_callbacks.keep(connection, rejects, self._clock.now_ms())
        return Applied(rejected=len(rejects))


def _batches(entries: Sequence[ResultEntry]) -> list[list[ResultEntry]]:
    """In order; what was delivered too often stands alone."""
    batches: list[list[ResultEntry]] = []
    for entry in entries:
        is_joined = batches and max(batches[-1][-1].deliveries, entry.deliveries) < ALONE_AFTER
        if is_joined:
            batches[-1].append(entry)
        else:
            batches.append([entry])
    return batches


def _one_item_each(entries: Sequence[ResultEntry]) -> list[ResultEntry]:
    singles = [replace(entry, items=(item,), bad=()) for entry in entries for item in entry.items]
    bad = [replace(entry, items=(), bad=entry.bad) for entry in entries if entry.bad]
    return singles + bad


def _tell(applied: Applied) -> None:
    for row in applied.rows:
        say = telemetry.detail if row.outcome == Outcome.SUCCEEDED else telemetry.event
        say("run.ended", job_id=row.job_id, log_id=row.log_id, outcome=row.outcome, attempt=row.attempt)
    telemetry.detail(
        "apply.done",
        rows=applied.ended,
        followups=applied.followups,
        reruns=applied.reruns,
        rerouted=applied.rerouted,
        rejected=applied.rejected,
    )
    if applied.repeated:
        telemetry.event("apply.repeated", results=applied.repeated)
