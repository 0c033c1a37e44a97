"""Runs: what becomes of log rows after `triggers.plan` inserted them.

`trigger_*` columns are written by the pusher, `handle_*` and `outcome` by the callbacks; whoever
comes second finds a column that is not his and leaves it alone. A row ends once. The exception:
one closed as lost is corrected by its executor's own word, until a retry of it exists.

Several consumers and pushers write at once. On PostgreSQL each batch first locks its rows in the
order of their ids, so that two batches wait for each other in one direction only. What another
transaction may have inserted meanwhile (a retry) is looked for in a statement of its own after
that: the statement that waited still sees the table as it was before the wait.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from ..vocabulary import Outcome, RunState, TriggerCode
from .bulk import Row, among, update_many
from .models import PENDING, UNFINISHED, UNSUCCESSFUL, ExecutorGroup, Job, JobLog
from .triggers import NewTrigger, plan

_LOG = JobLog.__table__


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A row to be pushed: all that its message needs."""

    log_id: int
    job_id: int
    app_name: str | None
    """None: the job or its group was deleted; nobody can run this."""
    group_id: int
    trigger_key: str
    trigger_type: str
    fire_at_ms: int
    trigger_time: int
    trigger_msg: str | None
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str
    attempt: int
    parent_log_id: int | None
    shard_index: int
    shard_total: int
    not_before: int
    expires_at: int
    is_pinned: bool
    executor_address: str
    """Who alone may run it, if it is pinned."""
    route_strategy: str
    executor_tag: str
    serial_scope: str
    max_concurrency: int
    max_queue: int
    priority: int
    glue_type: str

    @property
    def lane(self) -> str | None:
        """The lane it was pushed into; None if it was not, or nobody wrote that down yet."""
        return _lane_in(self.trigger_msg)


UnfinishedRow = PendingRow
"""A row that was pushed and has not ended: it may have to be pushed again."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A row whose message is in its lane, and the facts of the push."""

    log_id: int
    trigger_msg: str
    pushed_at_ms: int


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How one run ended."""

    log_id: int
    outcome: str
    handle_code: int
    handle_msg: str
    handle_time_ms: int
    started_ms: int
    executor_address: str
    attempt: int
    token: int
    """Of the lease under which an executor speaks for the run; 0 where a script ended it."""
    result: str
    trigger_code: int
    """REFUSED for a run that reached no lane: `handle_msg` is the reason then."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A row that was ended just now: all that what follows needs."""

    log_id: int
    job_id: int
    group_id: int
    fire_at_ms: int
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str
    shard_index: int
    shard_total: int
    due_ms: int
    """When it might have been pushed."""
    attempt: int
    outcome: str
    retry_refused: bool
    """Of the job; False if it is gone."""
    started_ms: int
    """0: no handler began."""
    ended_ms: int


@dataclass(frozen=True, slots=True)
class RowState:
    """How far a row has come."""

    log_id: int
    trigger_code: int
    outcome: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything about one run."""

    log_id: int
    job_id: int
    group_id: int
    app_name: str | None
    """None: the group was deleted."""
    job_name: str | None
    """None: the job was deleted."""
    trigger_key: str
    trigger_type: str
    fire_at: int
    not_before: int
    expires_at: int
    is_pinned: bool
    trigger_time: int
    trigger_code: int
    trigger_msg: str | None
    pushed_at: int
    parent_log_id: int | None
    attempt: int
    shard_index: int
    shard_total: int
    executor_address: str
    executor_handler: str
    executor_param: str
    executor_fail_retry_count: int
    executor_timeout: int
    block_strategy: str
    on_lost: str
    started_at: int
    handle_time: int
    handle_code: int
    handle_msg: str | None
    outcome: str | None
    result: str | None
    token: int
    alarm_status: int

    @property
    def state(self) -> Outcome | RunState:
        """Its outcome, or how far it has come. Whether a queued run is running, only Redis knows."""
        if self.outcome is not None:
            return Outcome(self.outcome)
        return RunState.PENDING if self.trigger_code == TriggerCode.PENDING else RunState.QUEUED

    @property
    def why_refused(self) -> str:
        """Why it reached no lane; empty if it did, or has not yet."""
        return str(json.loads(self.trigger_msg).get("reason", "")) if self.trigger_msg else ""

    @property
    def lane(self) -> str | None:
        """The lane it was pushed into; None if it was not, or nobody wrote that down yet."""
        return _lane_in(self.trigger_msg)


def _lane_in(trigger_msg: str | None) -> str | None:
    lane = json.loads(trigger_msg).get("lane") if trigger_msg else None
    return lane if isinstance(lane, str) else None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None leaves a question open."""

    group_id: int | None = None
    job_id: int | None = None
    state: Outcome | RunState | None = None
    """QUEUED and RUNNING are one question here: rows do not know who holds a lease."""
    from_ms: int | None = None
    to_ms: int | None = None
    """Trigger times from `from_ms` on, before `to_ms`."""


# the pusher


def _to_push() -> Select[Any]:
    special = {
        "log_id": JobLog.id,
        # a job that is gone cannot say how its runs reach an executor
        "app_name": case((Job.id.is_not(null()), ExecutorGroup.app_name)),
        "fire_at_ms": JobLog.fire_at,
        "route_strategy": func.coalesce(Job.route_strategy, ""),
        "executor_tag": func.coalesce(Job.executor_tag, ""),
        "serial_scope": func.coalesce(Job.serial_scope, ""),
        "max_concurrency": func.coalesce(Job.max_concurrency, 1),
        "max_queue": func.coalesce(Job.max_queue, 0),
        "priority": func.coalesce(Job.priority, 5),
        "glue_type": func.coalesce(Job.glue_type, ""),
    }
    return (
        select(*(special.get(field.name, _LOG.c.get(field.name)) for field in fields(PendingRow)))
        .select_from(JobLog)
        .outerjoin(Job, Job.id == JobLog.job_id)
        .outerjoin(ExecutorGroup, ExecutorGroup.id == JobLog.group_id)
        .limit(bindparam("limit"))
    )


_PENDING = (
    _to_push()
    .where(
        text(PENDING),
        JobLog.not_before <= bindparam("now_ms"),
        tuple_(JobLog.not_before, JobLog.id) > tuple_(bindparam("after_ms"), bindparam("after_id")),
    )
    .order_by(JobLog.not_before, JobLog.id)
)
_NEXT_PENDING = select(func.min(JobLog.not_before)).where(
    text(PENDING), JobLog.not_before > bindparam("now_ms")
)
_UNFINISHED = (
    _to_push()
    .where(
        JobLog.id > bindparam("after_id"),
        text(UNFINISHED),
        JobLog.trigger_code == TriggerCode.QUEUED.value,
        JobLog.group_id
        == select(ExecutorGroup.id).where(ExecutorGroup.app_name == bindparam("app_name")).scalar_subquery(),
        JobLog.trigger_time <= bindparam("older_than_ms"),
    )
    .order_by(JobLog.id)
)
_LOCK = select(JobLog.id).where(among(JobLog.id)).order_by(JobLog.id).with_for_update()
# A run may be over before its push is marked: it keeps the facts of the push all the same.
_MARK_PUSHED = update_many(
    _LOG,
    ("id", "trigger_msg", "pushed_at"),
    assign="trigger_code = 200, trigger_msg = :trigger_msg, pushed_at = :pushed_at",
    where="id = :id and trigger_msg is null and trigger_code <> 500",
)
_MARK_REFUSED = update_many(
    _LOG,
    ("id", "trigger_msg", "pushed_at"),
    assign="trigger_code = 500, trigger_msg = :trigger_msg, pushed_at = :pushed_at, outcome = 'refused'",
    where="id = :id and trigger_code = 0 and outcome is null",
)


def pending(
    connection: Connection, limit: int, now_ms: int, after: tuple[int, int] = (0, 0)
) -> list[PendingRow]:
    """Rows that may be pushed at `now_ms`; those that wait for nothing come first, by their ids.

    `after` is the place where the last page ended: `not_before` and log id of its last row.
    """
    wanted = {"now_ms": now_ms, "after_ms": after[0], "after_id": after[1], "limit": limit}
    return [PendingRow(*row) for row in connection.execute(_PENDING, wanted)]


def next_pending_ms(connection: Connection, now_ms: int) -> int | None:
    """When the next of the rows that wait for their time may be pushed; None if none waits."""
    return connection.execute(_NEXT_PENDING, {"now_ms": now_ms}).scalar_one()


def oldest_pending_ms(connection: Connection, now_ms: int) -> int:
    """For how long the oldest of the rows that may be pushed has waited for it; 0 without any."""
    # along the partial index of pending rows: the history may be any size
    first = (
        select(JobLog.not_before, JobLog.trigger_time)
        .where(text(PENDING), JobLog.not_before <= now_ms)
        .order_by(JobLog.not_before, JobLog.id)
        .limit(1)
    )
    row = connection.execute(first).one_or_none()
    return max(0, now_ms - max(row.not_before, row.trigger_time)) if row else 0


_SPREAD = (
    update(JobLog)
    .where(JobLog.id == bindparam("log_id"), JobLog.trigger_code == 0, ~JobLog.is_pinned)
    .values(shard_total=bindparam("shards"), is_pinned=True, executor_address=bindparam("executor"))
)


def spread(connection: Connection, row: PendingRow, executors: Sequence[str], now_ms: int) -> bool:
    """Make a pending broadcast a row for each of `executors`; False if another pusher did so before."""
    first = {"log_id": row.log_id, "shards": len(executors), "executor": executors[0]}
    if connection.execute(_SPREAD, first).rowcount == 0:
        return False
    shards = [
        NewTrigger(
            job_id=row.job_id,
            group_id=row.group_id,
            trigger_key=row.trigger_key,
            trigger_type=row.trigger_type,
            fire_at_ms=row.fire_at_ms,
            executor_handler=row.executor_handler,
            executor_param=row.executor_param,
            executor_fail_retry_count=row.executor_fail_retry_count,
            executor_timeout=row.executor_timeout,
            block_strategy=row.block_strategy,
            on_lost=row.on_lost,
            attempt=row.attempt,
            parent_log_id=row.parent_log_id,
            shard_index=index,
            shard_total=len(executors),
            expires_at_ms=row.expires_at,
            executor_address=executor,
        )
        for index, executor in enumerate(executors[1:], 1)
    ]
    plan(connection, shards, now_ms)
    return True


def mark_pushed(connection: Connection, marks: Sequence[Mark]) -> None:
    """Record that messages are in their lanes. Rows that were marked before, or refused, stay as they are."""
    _lock(connection, [mark.log_id for mark in marks])
    _MARK_PUSHED.execute(connection, [(mark.log_id, mark.trigger_msg, mark.pushed_at_ms) for mark in marks])


def mark_refused(connection: Connection, reasons: Mapping[int, str], now_ms: int) -> int:
    """End pending rows that can never be pushed, by log id, each with its reason; answers how many ended."""
    _lock(connection, reasons)
    rows = [(log_id, refusal(reason), now_ms) for log_id, reason in reasons.items()]
    return _MARK_REFUSED.execute(connection, rows)


def refusal(reason: str) -> str:
    """`trigger_msg` of a run that reached no lane."""
    return json.dumps({"reason": reason}, ensure_ascii=False)


def _lock(connection: Connection, log_ids: Iterable[int]) -> None:
    ids = list(log_ids)
    if ids and connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"ids": ids})


# the callbacks


# No join here: SQLite would read the whole table for the sake of its order.
_STANDING = (
    select(
        JobLog.outcome,
        JobLog.handle_msg,
        JobLog.attempt,
        # from here on in the order of `Finished`
        JobLog.id,
        JobLog.job_id,
        JobLog.group_id,
        JobLog.fire_at,
        JobLog.executor_handler,
        JobLog.executor_param,
        JobLog.executor_fail_retry_count,
        JobLog.executor_timeout,
        JobLog.block_strategy,
        JobLog.on_lost,
        JobLog.shard_index,
        JobLog.shard_total,
        case((JobLog.not_before > JobLog.trigger_time, JobLog.not_before), else_=JobLog.trigger_time),
    )
    .where(among(JobLog.id))
    .order_by(JobLog.id)
    .with_for_update()
)
_RETRY_REFUSED = select(Job.id).where(among(Job.id), Job.retry_refused)
_retry = aliased(JobLog)
_RETRIED = (
    select(JobLog.id)
    .join(
        _retry,
        and_(
            _retry.job_id == JobLog.job_id,
            _retry.trigger_key == literal("retry:", String) + cast(JobLog.id, String),
        ),
    )
    .where(among(JobLog.id))
)
_FINISH = update_many(
    _LOG,
    (
        "id",
        "outcome",
        "trigger_code",
        "trigger_msg",
        "handle_code",
        "handle_msg",
        "handle_time",
        "started_at",
        "executor_address",
        "attempt",
        "token",
        "result",
    ),
    assign=(
        "outcome = :outcome, trigger_code = :trigger_code, "
        "trigger_msg = coalesce(:trigger_msg, trigger_msg), "
        "handle_code = :handle_code, handle_msg = :handle_msg, handle_time = :handle_time, "
        "started_at = :started_at, executor_address = :executor_address, attempt = :attempt, "
        "token = :token, result = :result"
    ),
    where="id = :id and (outcome is null or outcome = 'lost')",
)


def finish(connection: Connection, endings: Sequence[RunEnding]) -> list[Finished]:
    """End these rows; answers those that this call ended or corrected, in the order of `endings`.

    The others have ended before (the first word on a row counts, also within `endings`), or there
    is no such row: `states` tells them apart.
    """
    if not endings:
        return []
    found = connection.execute(_STANDING, {"ids": [ending.log_id for ending in endings]})
    standing = {row[_LOG_ID]: row for row in map(tuple, found)}
    retried = _retried(connection, standing.values())
    retry_refused = _retry_refused(connection, {row[_JOB_ID] for row in standing.values()})
    ended: list[Finished] = []
    values: list[Row] = []
    for ending in endings:
        row = standing.get(ending.log_id)
        if row is None or not _may_end(row, ending, retried):
            continue
        del standing[ending.log_id]
        attempt = max(row[_ATTEMPT], ending.attempt)
        values.append(_ended_row(row[_HANDLE_MSG], attempt, ending))
        is_retried = row[_JOB_ID] in retry_refused
        times = (ending.started_ms, ending.handle_time_ms)
        facts = (*row[_LOG_ID:], attempt, str(ending.outcome), is_retried, *times)
        ended.append(Finished(*facts))
    _FINISH.execute(connection, values)
    return ended


def states(connection: Connection, log_ids: Sequence[int]) -> dict[int, RowState]:
    """How far these rows have come; a log id without a row is left out."""
    if not log_ids:
        return {}
    return {row.id: RowState(*row) for row in connection.execute(_STATES, {"ids": log_ids})}


def raise_attempt(connection: Connection, log_id: int, attempt: int, reason: str) -> bool:
    """Record that an unfinished run was started again, and why; False if that is no news."""
    statement = (
        update(JobLog)
        .where(JobLog.id == log_id, JobLog.attempt < attempt, text(UNFINISHED))
        .values(
            attempt=attempt,
            handle_msg=_with_line(reason),
        )
    )
    return connection.execute(statement).rowcount == 1


def note(connection: Connection, log_id: int, text_: str) -> None:
    """Add a line to what is said about the end of a run."""
    connection.execute(update(JobLog).where(JobLog.id == log_id).values(handle_msg=_with_line(text_)))


def note_once(connection: Connection, log_id: int, text_: str) -> None:
    """As `note`, unless the line stands there already."""
    is_new = ~func.coalesce(JobLog.handle_msg, "").contains(text_, autoescape=True)
    statement = update(JobLog).where(JobLog.id == log_id, is_new)
    connection.execute(statement.values(handle_msg=_with_line(text_)))


def _with_line(line: str) -> ColumnElement[str]:
    return case(
        (func.coalesce(JobLog.handle_msg, "") == "", line),
        else_=JobLog.handle_msg + literal("\n" + line, String),
    )


def reroute(connection: Connection, log_id: int, executor_id: str, attempt: int, reason: str) -> bool:
    """Let an unfinished run that waited for this executor be pushed again; False if that is no news."""
    statement = (
        update(JobLog)
        .where(
            JobLog.id == log_id,
            text(UNFINISHED),
            JobLog.trigger_code == TriggerCode.QUEUED.value,
            # a repeat finds it in the lane of somebody else
            JobLog.trigger_msg.contains(f'@{executor_id}"', autoescape=True),
        )
        .values(
            trigger_code=TriggerCode.PENDING.value,
            trigger_msg=None,
            pushed_at=0,
            attempt=attempt,
            handle_msg=_with_line(reason),
        )
    )
    return connection.execute(statement).rowcount == 1


_STATES = select(JobLog.id, JobLog.trigger_code, JobLog.outcome, JobLog.attempt).where(among(JobLog.id))


_OUTCOME, _HANDLE_MSG, _ATTEMPT, _LOG_ID, _JOB_ID = range(5)
"""Places in a row of `_STANDING`: taking a row apart by place is several times quicker than by name."""


def _retried(connection: Connection, rows: Iterable[Row]) -> set[int]:
    """Which of the rows closed as lost have a retry: those are past correcting."""
    lost = [row[_LOG_ID] for row in rows if row[_OUTCOME] == Outcome.LOST]
    return set(connection.execute(_RETRIED, {"ids": lost}).scalars()) if lost else set()


def _retry_refused(connection: Connection, job_ids: set[int]) -> set[int]:
    """The jobs whose discarded and covered runs are retried, too."""
    return set(connection.execute(_RETRY_REFUSED, {"ids": job_ids}).scalars())


def _may_end(row: Row, ending: RunEnding, retried: set[int]) -> bool:
    if ending.attempt < row[_ATTEMPT]:
        return False  # a newer attempt has begun: this one may only be noted
    if row[_OUTCOME] is None:
        return True
    is_executors_own_word = ending.token > 0 and ending.outcome != Outcome.LOST
    return row[_OUTCOME] == Outcome.LOST and is_executors_own_word and ending.log_id not in retried


def _ended_row(handle_msg: str | None, attempt: int, ending: RunEnding) -> Row:
    is_refused = ending.trigger_code == TriggerCode.REFUSED
    return (
        ending.log_id,
        str(ending.outcome),
        int(ending.trigger_code),
        refusal(ending.handle_msg) if is_refused else None,
        int(ending.handle_code),
        handle_msg if is_refused else _joined(handle_msg, ending.handle_msg),
        ending.handle_time_ms,
        ending.started_ms,
        ending.executor_address,
        attempt,
        ending.token,
        ending.result or None,
    )


def _joined(before: str | None, said: str) -> str:
    """What an ended or repeated attempt left as evidence, then the new message."""
    return f"{before}\n{said}" if before else said


# the sweeper


def unfinished(
    connection: Connection, app_name: str, after_id: int, limit: int, older_than_ms: int
) -> list[UnfinishedRow]:
    """Pushed rows of a group that have not ended, triggered at `older_than_ms` or before, by id."""
    wanted = {"app_name": app_name, "after_id": after_id, "limit": limit, "older_than_ms": older_than_ms}
    return [UnfinishedRow(*row) for row in connection.execute(_UNFINISHED, wanted)]


_ANY_UNFINISHED = (
    select(JobLog.id)
    .join(ExecutorGroup, ExecutorGroup.id == JobLog.group_id)
    .where(
        text(UNFINISHED),
        ExecutorGroup.app_name == bindparam("app_name"),
        JobLog.trigger_time <= bindparam("until_ms"),
    )
    .limit(1)
)


def has_unfinished(connection: Connection, app_name: str, until_ms: int) -> bool:
    """Whether a row of this group that was made until then has not ended, pushed or not."""
    wanted = {"app_name": app_name, "until_ms": until_ms}
    return connection.execute(_ANY_UNFINISHED, wanted).first() is not None


_MOST_COUNTED = 1_000


def count_waiting(connection: Connection, group_id: int) -> int:
    """How many runs of a group have not ended; what is beyond a thousand is not counted."""
    some = select(JobLog.id).where(text(UNFINISHED), JobLog.group_id == group_id).limit(_MOST_COUNTED)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


# the page "Runs"


def _view() -> Select[Any]:
    special = {"log_id": JobLog.id, "job_name": Job.name, "app_name": ExecutorGroup.app_name}
    return (
        select(*(special.get(field.name, _LOG.c.get(field.name)) for field in fields(RunView)))
        .select_from(JobLog)
        .outerjoin(Job, Job.id == JobLog.job_id)
        .outerjoin(ExecutorGroup, ExecutorGroup.id == JobLog.group_id)
    )


_VIEW = _view()


def get(connection: Connection, log_id: int) -> RunView | None:
    """One run, or None."""
    row = connection.execute(_VIEW.where(JobLog.id == log_id)).one_or_none()
    return RunView(*row) if row else None


def shards(connection: Connection, job_id: int, trigger_key: str) -> list[RunView]:
    """The runs of one trigger by shard: several for a broadcast, one for all others."""
    found = _VIEW.where(JobLog.job_id == job_id, JobLog.trigger_key == trigger_key)
    return [RunView(*row) for row in connection.execute(found.order_by(JobLog.shard_index))]


def list_page(
    connection: Connection, wanted: RunFilter, before_id: int | None = None, limit: int = 50
) -> list[RunView]:
    """The newest runs that fit, older than `before_id`."""
    statement = _VIEW.where(*_conditions(wanted)).order_by(JobLog.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(JobLog.id < before_id)
    return [RunView(*row) for row in connection.execute(statement)]


def _conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool] | None] = [
        JobLog.group_id == wanted.group_id if wanted.group_id is not None else None,
        JobLog.job_id == wanted.job_id if wanted.job_id is not None else None,
        _in_state(wanted.state) if wanted.state is not None else None,
        JobLog.trigger_time >= wanted.from_ms if wanted.from_ms is not None else None,
        JobLog.trigger_time < wanted.to_ms if wanted.to_ms is not None else None,
    ]
    return [condition for condition in conditions if condition is not None]


def _in_state(state: Outcome | RunState) -> ColumnElement[bool]:
    if state == RunState.PENDING:
        return text(PENDING)
    if isinstance(state, RunState):
        return and_(text(UNFINISHED), JobLog.trigger_code == TriggerCode.QUEUED.value)
    if state == Outcome.SUCCEEDED:
        return JobLog.outcome == state.value
    return and_(text(UNSUCCESSFUL), JobLog.outcome == state.value)
