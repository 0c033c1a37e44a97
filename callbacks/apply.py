"""Results become ended rows: read what the entries say (pure), then write it in one transaction.

Nothing in the stream is believed before its signature was checked. A repeated result changes
nothing, because only a row that has not ended is ended. One exception: a row closed as lost is
corrected by its executor's own late result, as long as no newer attempt exists (`late.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from baton.broker.results import BadItem, ResultEntry, ResultItem
from baton.envelope import unseal
from baton.errors import Malformed, MessageError
from baton.messages import HandleCallbackParam, TriggerParam, cut_message
from baton.store import fixed_delay, runs, triggers
from baton.vocabulary import HANDLE_CODE_OF, Ending, Outcome, TriggerCode

from . import alarms, failed_callbacks, late
from .failed_callbacks import Rejected
from .followup import follow

KeyOf = Callable[[str], bytes]
"""The signing key of an executor group, by its app name."""

UNKNOWN_ROW = "log item not found."
"""XXL-JOB's words for a result without a row: it was deleted, or never ours."""

LARGEST_LOG_ID = 2**63 - 1
"""What the databases can hold: a larger number in a field must not keep its item from being put aside."""

_ENDINGS_BY_SCRIPT: dict[Ending, Outcome] = {
    Ending.DISCARDED: Outcome.DISCARDED,
    Ending.COVERED: Outcome.COVERED,
    Ending.KILLED: Outcome.KILLED,
    Ending.LOST: Outcome.LOST,
    Ending.EXPIRED: Outcome.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Verified:
    """One ending whose signature and fields are in order, and where it came from."""

    ending: runs.RunEnding
    entry: ResultEntry
    item: ResultItem
    trace_parent: str
    """Its run, or its push, as a place in a trace."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A row that a batch ended, and its place in a trace."""

    row: runs.Finished
    app_name: str
    trace_parent: str


@dataclass(slots=True)
class Reading:
    """What a batch of entries says."""

    verified: list[Verified] = field(default_factory=list)
    reruns: list[ResultItem] = field(default_factory=list)
    rerouted: list[ResultItem] = field(default_factory=list)
    stale: list[HandleCallbackParam] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch changed."""

    ended: int = 0
    followups: int = 0
    reruns: int = 0
    rerouted: int = 0
    repeated: int = 0
    unknown: int = 0
    stale: int = 0
    rejected: int = 0
    rows: tuple[runs.Finished, ...] = field(default=(), compare=False)
    """Those that it ended."""
    traced: tuple[Traced, ...] = field(default=(), compare=False)
    """Of those, the ones whose messages have a place in a trace."""

    def __add__(self, other: Applied) -> Applied:
        return Applied(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def apply_batch(
    connection: Connection,
    entries: Sequence[ResultEntry],
    key_of: KeyOf,
    now_ms: int,
    late_after_s: int = 0,
) -> Applied:
    """End the rows these entries speak of, and insert what follows. The caller commits.

    A run that began more than `late_after_s` after its fire time is told of, unless its job says otherwise;
    0: none is.
    """
    reading = read_entries(entries, key_of, now_ms)
    for item in reading.reruns:
        runs.raise_attempt(connection, item.log_id, item.attempt, item.reason)
    rerouted = sum(
        runs.reroute(connection, item.log_id, item.executor, item.attempt, item.reason)
        for item in reading.rerouted
    )
    ended = runs.finish(connection, _best_first(reading.verified))
    followups = triggers.plan(connection, follow(connection, ended, now_ms), now_ms)
    started_ms = {each.ending.log_id: each.ending.started_ms for each in reading.verified}
    alarms.raise_alarms(connection, ended, started_ms, late_after_s, now_ms)
    fixed_delay.run_ended(connection, {row.job_id for row in ended}, now_ms)
    missing = _of_no_row(connection, reading.verified, ended)
    rejects = reading.rejected + missing
    failed_callbacks.keep(connection, rejects, now_ms)
    failed_callbacks.forget_applied(connection, entries, rejects)
    late.note_superseded(connection, reading.stale)
    return Applied(
        ended=len(ended),
        followups=followups,
        reruns=len(reading.reruns),
        rerouted=rerouted,
        repeated=len(reading.verified) - len(ended) - len(missing),
        unknown=len(missing),
        stale=len(reading.stale),
        rejected=len(reading.rejected),
        rows=tuple(ended),
        traced=_traced(ended, reading.verified),
    )


def read_entries(entries: Sequence[ResultEntry], key_of: KeyOf, now_ms: int) -> Reading:
    """Verify and understand every item; what cannot be understood disturbs no other."""
    reading = Reading()
    for entry in entries:
        key = key_of(entry.app_name)
        for bad in entry.bad:
            reading.rejected.append(rejected_field(entry, bad, bad.reason))
        for item in entry.items:
            try:
                _read_item(reading, entry, item, key, now_ms)
            except MessageError as problem:
                reason = f"{type(problem).__name__}: {problem}"
                reading.rejected.append(rejected(entry, item, reason))
    return reading


def rejected(entry: ResultEntry, item: ResultItem, reason: str) -> Rejected:
    """`item`, put aside for `reason`."""
    log_id = item.log_id if 0 < item.log_id <= LARGEST_LOG_ID else None
    return Rejected(entry.app_name, entry.entry_id, item.field, log_id, item.payload, reason, entry.replay_of)


def rejected_field(entry: ResultEntry, bad: BadItem, reason: str) -> Rejected:
    """A field that is no ending at all, put aside for `reason`."""
    return Rejected(entry.app_name, entry.entry_id, bad.field, None, bad.payload, reason, entry.replay_of)


def _read_item(reading: Reading, entry: ResultEntry, item: ResultItem, key: bytes, now_ms: int) -> None:
    if item.ending is Ending.SETTLED:
        callback = _callback(entry, item, key)
        ending = _settled(callback, now_ms)
        reading.verified.append(Verified(ending, entry, item, callback.trace_parent))
    elif item.ending is Ending.STALE:
        reading.stale.append(_callback(entry, item, key))
    else:
        trigger = unseal(item.frame, TriggerParam, key)
        _check_about(trigger, entry, item)
        if item.ending is Ending.RERUN:
            reading.reruns.append(item)
        elif item.ending is Ending.REROUTED:
            reading.rerouted.append(item)
        else:
            ending = _ended_by_script(item, now_ms)
            reading.verified.append(Verified(ending, entry, item, trigger.trace_parent))


def _callback(entry: ResultEntry, item: ResultItem, key: bytes) -> HandleCallbackParam:
    callback = unseal(item.frame, HandleCallbackParam, key)
    _check_about(callback, entry, item)
    return callback


def _check_about(message: HandleCallbackParam | TriggerParam, entry: ResultEntry, item: ResultItem) -> None:
    """A signed message may not be passed off as one of another group or run."""
    if message.app_name != entry.app_name:
        raise Malformed(f"a message of group {message.app_name!r} stands in the stream of {entry.app_name!r}")
    if message.log_id != item.log_id:
        raise Malformed(f"a message of log id {message.log_id} stands under log id {item.log_id}")


def _settled(callback: HandleCallbackParam, now_ms: int) -> runs.RunEnding:
    outcome = Outcome(callback.outcome)
    if callback.handle_code != HANDLE_CODE_OF[outcome]:
        raise Malformed(
            f"handle_code {callback.handle_code} does not fit outcome {callback.outcome!r}: "
            f"it has {int(HANDLE_CODE_OF[outcome])}"
        )
    return runs.RunEnding(
        log_id=callback.log_id,
        outcome=outcome,
        handle_code=callback.handle_code,
        handle_msg=storable(callback.handle_msg),
        handle_time_ms=callback.ended_ms if callback.ended_ms > 0 else now_ms,
        started_ms=max(0, callback.started_ms),
        executor_address=storable(callback.executor_address),
        attempt=callback.attempt,
        token=callback.token,
        result=_accepted(callback.result),  # its executor keeps it short; cut, it would be JSON no more
        trigger_code=TriggerCode.QUEUED,
    )


def _ended_by_script(item: ResultItem, now_ms: int) -> runs.RunEnding:
    outcome = _ENDINGS_BY_SCRIPT[item.ending]
    reached_the_lane = outcome is not Outcome.DISCARDED
    return runs.RunEnding(
        log_id=item.log_id,
        outcome=outcome,
        handle_code=HANDLE_CODE_OF[outcome],
        handle_msg=storable(item.reason),
        handle_time_ms=now_ms if reached_the_lane else 0,
        started_ms=0,
        executor_address=storable(item.executor),
        attempt=item.attempt,
        token=0,
        result="",
        trigger_code=TriggerCode.QUEUED if reached_the_lane else TriggerCode.REFUSED,
    )


def storable(text: str) -> str:
    """`text` as a row keeps messages: as every database takes it, and not longer than one may be."""
    return cut_message(_accepted(text))


def _accepted(text: str) -> str:
    """`text` as every database takes it: PostgreSQL has no NUL, and no lone surrogates."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _best_first(verified: Sequence[Verified]) -> list[runs.RunEnding]:
    """Rows in the order of their first words; several words on one row stand together."""
    by_row: dict[int, list[runs.RunEnding]] = {}
    for each in verified:
        by_row.setdefault(each.ending.log_id, []).append(each.ending)
    return [
        ending
        for endings in by_row.values()
        for ending in (endings if len(endings) == 1 else late.best_first(endings))
    ]


def _traced(ended: Sequence[runs.Finished], verified: Sequence[Verified]) -> tuple[Traced, ...]:
    places = {each.ending.log_id: each for each in verified if each.trace_parent}
    found = ((row, places.get(row.log_id)) for row in ended) if places else ()
    return tuple(Traced(row, said.entry.app_name, said.trace_parent) for row, said in found if said)


def _of_no_row(
    connection: Connection, asked: Sequence[Verified], ended: Sequence[runs.Finished]
) -> list[Rejected]:
    """Of the endings that ended nothing: those whose row does not exist. The others are repeats, or late."""
    done = {row.log_id for row in ended}
    rest = [verified for verified in asked if verified.ending.log_id not in done]
    if not rest:
        return []
    states = runs.states(connection, [verified.ending.log_id for verified in rest])
    late.note_unused(connection, [verified.ending for verified in rest], states)
    first = {v.ending.log_id: v for v in reversed(rest) if v.ending.log_id not in states}
    return [rejected(verified.entry, verified.item, UNKNOWN_ROW) for verified in reversed(first.values())]
