"""Pending rows become messages in lanes.

A row is pending until Redis has its message. The order is: seal, push, mark. A crash after the
push leaves a pending row whose message is in its lane: the next push of it is answered "repeated",
and the row is marked then. Rows that Redis does not take (out of memory, away, group closed) stay
pending; the next pass tries again. Any number of pushers may run.

What the script discards is not marked here: the script reports it in the results stream, and the
callbacks process ends the row like every other.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import Engine

from baton import telemetry
from baton.broker import presence
from baton.broker.producer import MAX_PUSH_ROWS, GroupClosed, Producer, PushAnswer, PushRow, PushVerdict
from baton.clock import SYSTEM_CLOCK, Clock
from baton.envelope import group_key, seal
from baton.errors import TooLarge
from baton.failpoints import failpoint
from baton.store import alarms, glue, runs
from baton.store.engine import read, write
from baton.store.glue import GlueVersionView
from baton.vocabulary import BlockStrategy, OnLost, RouteStrategy

from . import counting
from .lanes import Lanes, choose_lanes
from .push_spans import PushCall, PushSpans
from .row_messages import is_script, push_row, trigger_param
from .trigger_messages import TriggerMessages

PAGE_ROWS = 2000
"""Pending rows read per pass."""
SAFETY_POLL_S = 1.0
"""A wake-up may get lost; a row inserted by another process waits this long at most."""

_UNMARKED = {PushVerdict.DISCARDED, PushVerdict.GONE}
"""The script reports what it discards; a row whose executor left stays pending and is routed again."""
_BEGINNING = (0, 0)
_SERVER_FAILED = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError)
"""The fault lies with the server and concerns every page, not with something in one of them."""
PREPARE_MS = 200
"""Rows whose moment is so near are read and sealed now, so that only the push is left when it comes."""
PUSH_BYTES = 4 * 1024 * 1024
"""Of messages per script call: scripts travel in them, and the server stands still meanwhile."""


@dataclass(slots=True)
class _Prepared:
    """A page of rows whose moment is about to come, and their sealed messages by log id.

    Nobody holds them: should another pusher be faster, this push is a repetition.
    """

    at_ms: int = 0
    rows: Sequence[runs.PendingRow] = ()
    frames: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Pushed:
    """What became of some rows."""

    queued: int = 0
    repeated: int = 0
    discarded: int = 0
    covered: int = 0
    waiting: int = 0
    """Rows of closed groups: left as they are."""
    spread: int = 0
    """Rows that are pushed by the next pass: shards of a broadcast, and rows whose executor just left."""
    marks: list[runs.Mark] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    calls: list[PushCall] = field(default_factory=list)
    """Of the script, to be told of when spans are wanted."""


class Pusher:
    """Brings pending rows into their lanes."""

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        *,
        access_token: str,
        host: str,
        on_closed: Callable[[], None],
        clock: Clock = SYSTEM_CLOCK,
        spans: PushSpans | None = None,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._producer = Producer(redis)
        self._key_of = lru_cache(maxsize=None)(lambda app_name: group_key(access_token, app_name))
        self._host = host
        self._on_closed = on_closed
        self._clock = clock
        self._spans = spans
        self._after = _BEGINNING
        self._next_ms: int | None = None
        self._prepared = _Prepared()

    def step(self) -> float:
        """Push one page of pending rows; 0 while there are more, else until the next may be pushed."""
        if self._push_prepared():
            return 0.0
        pushed = self.push_pending()
        if self._after != _BEGINNING or pushed.spread:
            return 0.0
        if self._next_ms is None:
            return SAFETY_POLL_S
        if self._next_ms - self._clock.now_ms() <= PREPARE_MS:
            self._prepare(self._next_ms)
        wait_ms = max(self._next_ms - self._clock.now_ms(), 1)
        # to be prepared, they are looked at a little earlier
        wait_ms = wait_ms if wait_ms <= PREPARE_MS else wait_ms - PREPARE_MS
        return min(wait_ms / 1000, SAFETY_POLL_S)

    def push_pending(self) -> Pushed:
        """Push the next page. Rows that stay pending do not hold up the pages behind them."""
        now_ms = self._clock.now_ms()
        with read(self._engine) as connection:
            rows = runs.pending(connection, PAGE_ROWS, now_ms, self._after)
            self._next_ms = runs.next_pending_ms(connection, now_ms)
        is_full = len(rows) == PAGE_ROWS
        self._after = (rows[-1].not_before, rows[-1].log_id) if is_full else _BEGINNING
        try:
            return self.push(rows)
        except _SERVER_FAILED:
            # what it did not take comes first when it is back, or newer triggers of a job would overtake it
            self._after = _BEGINNING
            raise

    def _prepare(self, at_ms: int) -> None:
        """Read and seal the rows of a moment; one that cannot be sealed is refused when it is pushed.

        Scripts are not: thousands of them are too much to hold, and the source of the moment counts.
        """
        if self._prepared.at_ms == at_ms:
            return
        with read(self._engine) as connection:
            rows = runs.pending(connection, PAGE_ROWS, at_ms, (at_ms, 0))
        prepared = _Prepared(at_ms, rows)
        for row in rows:
            if row.app_name is not None and not is_script(row):
                with contextlib.suppress(TooLarge):
                    prepared.frames[row.log_id] = self._sealed(row, row.app_name, {})
        self._prepared = prepared

    def _push_prepared(self) -> bool:
        """Push what was prepared, if its moment has come; whatever else is due, the next pass finds."""
        if not self._prepared.rows or self._prepared.at_ms > self._clock.now_ms():
            return False
        prepared, self._prepared = self._prepared, _Prepared()
        self.push(prepared.rows, frames=prepared.frames)
        return True

    def push(
        self,
        rows: Sequence[runs.PendingRow],
        *,
        already_judged: bool = False,
        frames: Mapping[int, bytes] = MappingProxyType({}),
    ) -> Pushed:
        """Push these rows and record what became of each. Repeating it changes nothing.

        `already_judged`: their block strategies were applied by an earlier push that Redis lost.
        `frames`: messages that are sealed already, by log id.
        """
        pushed = Pushed()
        if not rows:
            return pushed
        failure: RedisError | None = None
        failpoint("push.before")
        try:
            for app_name, group_rows in self._by_group(rows, pushed).items():
                self._push_group(app_name, group_rows, already_judged, frames, pushed)
        except RedisError as problem:
            # what Redis took must be recorded; the rest stays pending and the loop backs off
            failure = problem
        # in their lanes, not yet marked: if this process dies here, the next push says "repeated"
        failpoint("push.done")
        self._record(pushed, rows)
        if self._spans is not None:
            self._spans.tell(pushed.calls)
        if failure is not None:
            raise failure
        if pushed.waiting:
            self._on_closed()
        return pushed

    def sealed(self, row: runs.PendingRow, app_name: str) -> bytes:
        """The signed message of one row; raises `TooLarge`."""
        return self._sealed(row, app_name, self._sources_of([row]))

    def _sealed(self, row: runs.PendingRow, app_name: str, sources: Mapping[int, GlueVersionView]) -> bytes:
        trace_parent = self._spans.header(row) if self._spans is not None else ""
        message = trigger_param(row, app_name, sources.get(row.job_id), trace_parent)
        return seal(message, self._key_of(app_name))

    def _sources_of(self, rows: Iterable[runs.PendingRow]) -> dict[int, GlueVersionView]:
        """The scripts of these rows, as they are now: a changed source counts from the next run on.

        What was written for another language is no script of a job that changed its own since.
        """
        types = {row.job_id: row.glue_type for row in rows if is_script(row)}
        if not types:
            return {}
        with read(self._engine) as connection:
            newest = glue.current_of(connection, types)
        return {job_id: each for job_id, each in newest.items() if each.glue_type == types[job_id]}

    def _by_group(self, rows: Sequence[runs.PendingRow], pushed: Pushed) -> dict[str, list[runs.PendingRow]]:
        groups: defaultdict[str, list[runs.PendingRow]] = defaultdict(list)
        for row in rows:
            reason = refusal(row)
            if reason is None and row.app_name is not None:
                groups[row.app_name].append(row)
            else:
                pushed.refused[row.log_id] = reason or ""
        return groups

    def _push_group(
        self,
        app_name: str,
        rows: Sequence[runs.PendingRow],
        already_judged: bool,
        frames: Mapping[int, bytes],
        pushed: Pushed,
    ) -> None:
        executors = presence.executors(self._redis, app_name)
        messages = TriggerMessages(self._host, len(executors))
        for page in _pages(rows):
            lanes = choose_lanes(self._redis, app_name, page, executors)
            pushed.refused.update(lanes.refused)
            self._spread(page, lanes, pushed)
            sealed = self._seal_all(page, app_name, lanes, already_judged, frames, pushed)
            for part in _parts(sealed):
                began_ns = time.time_ns()
                try:
                    answers = self._producer.push(app_name, [message for _, message in part])
                except GroupClosed:
                    pushed.waiting += len(part)
                    continue
                if self._spans is not None and not already_judged:
                    verdicts = [answer.verdict for answer in answers]
                    rows_of_part = [row for row, _ in part]
                    pushed.calls.append(PushCall(app_name, rows_of_part, verdicts, began_ns, time.time_ns()))
                now_ms = self._clock.now_ms()
                counting.count_answers(app_name, part, answers, now_ms, is_first=not already_judged)
                for (row, message), answer in zip(part, answers, strict=True):
                    _count(pushed, answer)
                    if answer.verdict not in _UNMARKED:
                        pushed.marks.append(runs.Mark(row.log_id, messages.of(row, message.lane), now_ms))

    def _spread(self, rows: Sequence[runs.PendingRow], lanes: Lanes, pushed: Pushed) -> None:
        """Make a row for each executor of a broadcast; the next pass pushes them all."""
        if not lanes.to_spread:
            return
        now_ms = self._clock.now_ms()
        with write(self._engine) as connection:
            for row in rows:
                if row.log_id in lanes.to_spread:
                    runs.spread(connection, row, lanes.to_spread[row.log_id], now_ms)
        # the shards are rows now: if this process dies here, the next pass pushes them
        failpoint("push.spread")
        pushed.spread += len(lanes.to_spread)

    def _seal_all(
        self,
        rows: Sequence[runs.PendingRow],
        app_name: str,
        lanes: Lanes,
        already_judged: bool,
        frames: Mapping[int, bytes],
        pushed: Pushed,
    ) -> list[tuple[runs.PendingRow, PushRow]]:
        sealed = []
        sources = self._sources_of(row for row in rows if row.log_id not in frames)
        for row in rows:
            lane = lanes.chosen.get(row.log_id)
            if lane is None:
                continue
            try:
                frame = frames.get(row.log_id) or self._sealed(row, app_name, sources)
            except TooLarge as problem:
                pushed.refused[row.log_id] = str(problem)
                continue
            sealed.append((row, push_row(row, lane, frame, already_judged=already_judged)))
        return sealed

    def _record(self, pushed: Pushed, rows: Sequence[runs.PendingRow]) -> None:
        if not pushed.marks and not pushed.refused:
            return
        now_ms = self._clock.now_ms()
        with write(self._engine) as connection:
            runs.mark_pushed(connection, pushed.marks)
            refused = runs.mark_refused(connection, pushed.refused, now_ms)
            if pushed.refused:
                alarms.raise_refused(connection, list(pushed.refused), now_ms)
        if refused == len(pushed.refused):  # else another pusher refused the same ones, and counts them
            counting.count_refused([row for row in rows if row.log_id in pushed.refused])
        telemetry.detail(
            "push.done", queued=pushed.queued, repeated=pushed.repeated, discarded=pushed.discarded,
            covered=pushed.covered, refused=len(pushed.refused), waiting=pushed.waiting,
        )  # fmt: skip


def refusal(row: runs.PendingRow) -> str | None:
    """Why this row can never be pushed; None if it can (pure)."""
    if row.app_name is None:
        return "no such executor group: the job or its group was deleted before the trigger was pushed"
    if row.block_strategy not in BlockStrategy._value2member_map_:
        return f"block strategy {row.block_strategy!r} is not one of {', '.join(BlockStrategy)}"
    if row.on_lost not in OnLost._value2member_map_:
        return f"on_lost {row.on_lost!r} is not one of {', '.join(OnLost)}"
    if row.route_strategy not in RouteStrategy._value2member_map_:
        return f"route strategy {row.route_strategy!r} is not one of {', '.join(RouteStrategy)}"
    return None


def _pages(rows: Sequence[runs.PendingRow]) -> Iterator[Sequence[runs.PendingRow]]:
    for start in range(0, len(rows), MAX_PUSH_ROWS):
        yield rows[start : start + MAX_PUSH_ROWS]


def _parts(
    sealed: Sequence[tuple[runs.PendingRow, PushRow]],
) -> Iterator[list[tuple[runs.PendingRow, PushRow]]]:
    """The same in the same order, as much at a time as one script call shall carry."""
    part: list[tuple[runs.PendingRow, PushRow]] = []
    size = 0
    for each in sealed:
        if part and size + len(each[1].frame) > PUSH_BYTES:
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each[1].frame)
    if part:
        yield part


def _count(pushed: Pushed, answer: PushAnswer) -> None:
    if answer.verdict is PushVerdict.GONE:
        pushed.spread += 1
    elif answer.verdict is PushVerdict.QUEUED:
        pushed.queued += 1
    elif answer.verdict is PushVerdict.REPEATED:
        pushed.repeated += 1
    else:
        pushed.discarded += 1
    pushed.covered += len(answer.covered)
