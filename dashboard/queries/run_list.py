"""The list of runs: what is asked stands in the address, so that a view can be shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from redis import Redis
from sqlalchemy import Connection, func, select

from baton.broker import control
from baton.store import runs, triggers
from baton.store.models import JobLog
from baton.store.runs import RunFilter, RunView
from baton.vocabulary import Outcome, RunState

from ..redis_side import ask

PAGE_ROWS = 50
COUNTED_ROWS = 5_000
"""Counts look at no more than the newest of these: a page must not read a whole history."""
LARGEST_ID = 2**63 - 1

HOUR_MS = 3_600_000
SINCE: dict[str, int] = {"1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS}
UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with what only Redis knows."""

    run: RunView
    state: Outcome | RunState
    executor: str

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.run.outcome is not None

    @property
    def waited_ms(self) -> int | None:
        """From the trigger to the start of the handler; None if it never started."""
        return max(0, self.run.started_at - self.run.trigger_time) if self.run.started_at else None

    @property
    def ran_ms(self) -> int | None:
        """How long the handler ran; None if it never did, or still does."""
        if not self.run.started_at or not self.run.handle_time:
            return None
        return max(0, self.run.handle_time - self.run.started_at)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asked for, as it stands in the address."""

    group: str = ""
    job: str = ""
    state: str = ""
    since: str = ""
    start: str = ""
    end: str = ""
    before: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> Self:
        """Read the query string; what makes no sense is as if it were not there."""
        asked = cls(**{name: args.get(name, "").strip() for name in cls.__slots__})
        return replace(
            asked,
            group=asked.group if row_id(asked.group) else "",
            job=asked.job if row_id(asked.job) else "",
            state=asked.state if asked.state == UNFINISHED or _state(asked.state) else "",
            since=asked.since if asked.since in SINCE else "",
            start=asked.start if _moment_ms(asked.start) is not None else "",
            end=asked.end if _moment_ms(asked.end) is not None else "",
            before=asked.before if row_id(asked.before) else "",
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return any((self.group, self.job, self.state, self.since, self.start, self.end))

    def to_params(self, **changes: str) -> dict[str, str]:
        """The query string of this question, with changes; another filter begins at the newest run."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "before"} | changes
        return {name: value for name, value in values.items() if value}

    def filter(self, now_ms: int) -> RunFilter:
        """The same question as the store asks it."""
        from_ms = _moment_ms(self.start)
        if self.since:
            from_ms = max(from_ms or 0, now_ms - SINCE[self.since])
        state = RunState.QUEUED if self.state == UNFINISHED else _state(self.state)
        return RunFilter(row_id(self.group), row_id(self.job), state, from_ms, _moment_ms(self.end))

    @property
    def before_id(self) -> int | None:
        """The page begins below this log id."""
        return row_id(self.before)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of runs, newest first."""

    rows: tuple[ShownRun, ...]
    older: str
    """The `before` of the next page; empty on the last one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of the newest runs are in each state."""

    by_state: dict[str, int]
    is_capped: bool
    """There are older runs that were not counted."""

    @property
    def total(self) -> int:
        """All that were counted."""
        return sum(self.by_state.values())


def page(connection: Connection, asked: Question, now_ms: int) -> Page:
    """The runs that fit."""
    found = runs.list_page(connection, asked.filter(now_ms), asked.before_id, PAGE_ROWS + 1)
    has_more = len(found) > PAGE_ROWS
    shown = found[:PAGE_ROWS]
    return Page(tuple(with_states(shown)), str(shown[-1].log_id) if has_more else "")


def counts(connection: Connection, asked: Question, now_ms: int) -> Counts:
    """Runs per state among the newest that fit everything but the state."""
    wanted = replace(asked, state="").filter(now_ms)
    narrow = select(JobLog.outcome)
    if wanted.group_id is not None:
        narrow = narrow.where(JobLog.group_id == wanted.group_id)
    if wanted.job_id is not None:
        narrow = narrow.where(JobLog.job_id == wanted.job_id)
    if wanted.from_ms is not None:
        narrow = narrow.where(JobLog.trigger_time >= wanted.from_ms)
    if wanted.to_ms is not None:
        narrow = narrow.where(JobLog.trigger_time < wanted.to_ms)
    # along an index that answers the question, or a small answer would cost a walk through everything
    by_time = wanted.group_id is None and wanted.job_id is None and wanted.from_ms is not None
    newest = (
        narrow.order_by((JobLog.trigger_time if by_time else JobLog.id).desc()).limit(COUNTED_ROWS).subquery()
    )
    rows = connection.execute(select(newest.c.outcome, func.count()).group_by(newest.c.outcome))
    by_state = {outcome or UNFINISHED: count for outcome, count in rows}
    return Counts(by_state, is_capped=sum(by_state.values()) >= COUNTED_ROWS)


def with_states(found: Sequence[RunView]) -> list[ShownRun]:
    """The same runs, told apart into waiting and running ones."""
    holders = holders_of((run.app_name, run.log_id) for run in found if run.state is RunState.QUEUED)
    return [
        ShownRun(
            run,
            RunState.RUNNING if run.log_id in holders else run.state,
            holders.get(run.log_id, run.executor_address),
        )
        for run in found
    ]


def holders_of(waiting_or_running: Iterable[tuple[str | None, int]]) -> dict[int, str]:
    """Log id -> executor, for those of these (app name, log id) that run now."""
    by_group: defaultdict[str, list[int]] = defaultdict(list)
    for app_name, log_id in waiting_or_running:
        if app_name is not None:
            by_group[app_name].append(log_id)

    def look(redis: Redis) -> dict[int, str]:
        found: dict[int, str] = {}
        for app_name, log_ids in by_group.items():
            found |= control.running(redis, app_name, log_ids)
        return found

    return ask(look, {}) if by_group else {}


def retry_of(connection: Connection, run: RunView) -> int | None:
    """The log id of the run that repeats this one, if there is one."""
    statement = select(JobLog.id).where(
        JobLog.job_id == run.job_id,
        JobLog.trigger_key == triggers.key_retry(run.log_id),
        JobLog.shard_index == run.shard_index,
    )
    return connection.execute(statement).scalar_one_or_none()


def row_id(text: str) -> int | None:
    """The id a person wrote into an address; None if no row can have it."""
    # Unicode has digits that int() reads and a database does not expect
    is_number = text.isascii() and text.isdigit() and len(text) <= 19
    return int(text) if is_number and 0 < int(text) <= LARGEST_ID else None


def _state(text: str) -> Outcome | RunState | None:
    if text in Outcome._value2member_map_:
        return Outcome(text)
    return RunState.PENDING if text == RunState.PENDING else None


def _moment_ms(text: str) -> int | None:
    """`2026-01-01T12:00` as the form's field sends it, read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    milliseconds = round(moment.timestamp() * 1000)
    return milliseconds if milliseconds >= 0 else None
