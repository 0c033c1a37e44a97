"""The results stream: read, take over, acknowledge, append. Spoken by the callbacks process.

An entry holds many results, one field `<ending>:<log id>` each. It leaves the stream only when it
has been acknowledged, after the SQL commit. Entries are read as untrusted bytes: a field that
cannot be read becomes a `BadItem` and disturbs no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgpack
from redis import Redis
from redis.exceptions import ResponseError

from ..vocabulary import Ending
from .keys import RESULTS_GROUP, GroupKeys

_FROM_EXECUTORS = (Ending.SETTLED, Ending.STALE)
_UNREADABLE = b"unreadable:"
"""The fields of what a script found in a lane and could not read."""
_REPLAY = b"replay:"
"""The field that says which failed callback an entry replays."""


@dataclass(frozen=True, slots=True)
class ResultItem:
    """One ending, not yet verified."""

    field: str
    ending: Ending
    log_id: int
    frame: bytes
    """A sealed HandleCallbackParam for SETTLED and STALE, else the sealed TriggerParam."""
    reason: str
    executor: str
    attempt: int
    payload: bytes
    """The raw field value, for `failed_callback`."""


@dataclass(frozen=True, slots=True)
class BadItem:
    """A field that is not an ending at all."""

    field: str
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """One stream entry."""

    app_name: str
    entry_id: str
    deliveries: int
    items: tuple[ResultItem, ...]
    bad: tuple[BadItem, ...]
    replay_of: int = 0
    """The failed callback that a person put into the stream again; not signed, so not to be believed."""


@dataclass(frozen=True, slots=True)
class StreamBacklog:
    """The results of one group that are not applied yet."""

    app_name: str
    entries: int
    oldest_ms: int
    """When the oldest of them came into the stream, by the clock of Redis; 0 without any."""


class Results:
    """One consumer's conversation with the results streams of all groups."""

    def __init__(self, redis: Redis, blocking_redis: Redis, consumer_name: str) -> None:
        self._redis = redis
        self._blocking = blocking_redis
        self._consumer = consumer_name
        self._ready: set[str] = set()

    def read(self, app_names: Sequence[str], *, count: int, block_ms: int) -> list[ResultEntry]:
        """Up to `count` new entries per group; waits up to `block_ms` for the first."""
        if not app_names:
            return []
        self._make_groups(app_names)
        streams: dict[Any, Any] = {_stream(app_name): ">" for app_name in app_names}
        try:
            answer = self._blocking.xreadgroup(
                RESULTS_GROUP, self._consumer, streams, count=count, block=block_ms
            )
        except ResponseError as problem:
            self._forgotten(problem)
            return []
        names = {_stream(app_name): app_name for app_name in app_names}
        return [
            _entry(names[stream], entry_id, entry_fields, 1)
            for stream, entries in _by_stream(answer)
            for entry_id, entry_fields in entries
        ]

    def take_over(self, app_names: Sequence[str], *, idle_ms: int, count: int) -> list[ResultEntry]:
        """Entries somebody read at least `idle_ms` ago and never acknowledged; they are ours now."""
        self._make_groups(app_names)
        found: list[ResultEntry] = []
        for app_name in app_names:
            try:
                found += self._take_over(app_name, idle_ms, count)
            except ResponseError as problem:
                self._forgotten(problem)
        return found

    def _take_over(self, app_name: str, idle_ms: int, count: int) -> list[ResultEntry]:
        stream = _stream(app_name)
        pending = cast(
            list[dict[str, Any]],
            self._redis.xpending_range(stream, RESULTS_GROUP, "-", "+", count, idle=idle_ms),
        )
        if not pending:
            return []
        ids = [row["message_id"] for row in pending]
        deliveries = {row["message_id"]: int(row["times_delivered"]) + 1 for row in pending}
        claimed = cast(
            list[tuple[bytes, dict[bytes, bytes] | None]],
            self._redis.xclaim(stream, RESULTS_GROUP, self._consumer, idle_ms, ids),
        )
        alive = [(entry_id, fields) for entry_id, fields in claimed if entry_id and fields]
        self._drop_deleted(stream, set(ids) - {entry_id for entry_id, _ in alive})
        return [_entry(app_name, entry_id, fields, deliveries[entry_id]) for entry_id, fields in alive]

    def _drop_deleted(self, stream: str, missing: set[bytes]) -> None:
        # Either somebody else took them first, or the entries were deleted while pending. Redis 6.2
        # keeps the latter in the pending list for ever; acknowledging only those is safe.
        gone = [entry_id for entry_id in missing if not self._redis.xrange(stream, entry_id, entry_id)]
        if gone:
            self._redis.xack(stream, RESULTS_GROUP, *gone)

    def acknowledge(self, entries: Sequence[ResultEntry]) -> None:
        """Take applied entries out of their streams."""
        by_app: dict[str, list[str]] = {}
        for entry in entries:
            by_app.setdefault(entry.app_name, []).append(entry.entry_id)
        for app_name, ids in by_app.items():
            with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.xack(_stream(app_name), RESULTS_GROUP, *ids)
                pipeline.xdel(_stream(app_name), *ids)
                pipeline.execute(raise_on_error=False)

    def append(self, app_name: str, items: Mapping[str, bytes], *, replay_of: int = 0) -> str:
        """Put endings into the stream again: field -> payload, as they were read."""
        fields: dict[Any, Any] = dict(items)
        if replay_of:
            fields[_REPLAY + b"%d" % replay_of] = b""
        return cast(bytes, self._redis.xadd(_stream(app_name), fields)).decode()

    def pending(self, app_names: Sequence[str]) -> int:
        """Entries in the streams that are not applied yet."""
        return sum(int(self._redis.xlen(_stream(app_name))) for app_name in app_names)

    def _make_groups(self, app_names: Sequence[str]) -> None:
        for app_name in app_names:
            if app_name in self._ready:
                continue
            try:
                self._redis.xgroup_create(_stream(app_name), RESULTS_GROUP, id="0", mkstream=True)
            except ResponseError as problem:
                if "BUSYGROUP" not in str(problem):
                    raise
            self._ready.add(app_name)

    def _forgotten(self, problem: ResponseError) -> None:
        # Redis lost the stream or the group: make them again with the next call, from the first entry
        if "NOGROUP" not in str(problem) and "UNBLOCKED" not in str(problem):
            raise problem
        self._ready.clear()


def backlog(redis: Redis, app_name: str) -> StreamBacklog:
    """How much of one group is not applied, and since when."""
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.xlen(_stream(app_name))
        pipeline.xrange(_stream(app_name), "-", "+", count=1)
        entries, oldest = pipeline.execute()
    oldest_ms = int(oldest[0][0].split(b"-")[0]) if oldest else 0
    return StreamBacklog(app_name, int(entries), oldest_ms)


def in_hand(redis: Redis, app_name: str) -> int:
    """Entries that a consumer has read and not acknowledged; 0 while nobody has read any."""
    try:
        return int(redis.xpending(_stream(app_name), RESULTS_GROUP)["pending"])
    except ResponseError as problem:
        if "NOGROUP" not in str(problem):
            raise
        return 0


def lane_ending(reason: str, executor: str, attempt: int, trigger_frame: bytes) -> bytes:
    """The payload of an ending that no executor speaks for, as the scripts write it."""
    frame: bytes = msgpack.packb([reason, executor, attempt, trigger_frame])
    return frame


def _stream(app_name: str) -> str:
    return GroupKeys(app_name).named("results")


def _by_stream(answer: Any) -> list[tuple[str, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """redis-py answers a list under RESP2 and a map of lists of lists under RESP3."""
    if not answer:
        return []
    if isinstance(answer, Mapping):
        return [(name.decode(), _flat(batches)) for name, batches in answer.items()]
    return [(name.decode(), entries) for name, entries in answer]


def _flat(batches: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    if batches and isinstance(batches[0], list) and batches[0] and not isinstance(batches[0][0], bytes):
        return [entry for batch in batches for entry in batch]
    return list(batches)


def _entry(app_name: str, entry_id: bytes, fields: Mapping[bytes, bytes], deliveries: int) -> ResultEntry:
    items: list[ResultItem] = []
    bad: list[BadItem] = []
    replay_of = 0
    for name, payload in fields.items():
        if name.startswith(_REPLAY) and name[len(_REPLAY) :].isdigit():
            replay_of = int(name[len(_REPLAY) :][:18])
            continue
        if name.startswith(_UNREADABLE):
            bad.append(_unreadable(name.decode("utf-8", "replace"), payload))
            continue
        try:
            items.append(_item(name.decode(), payload))
        except (ValueError, TypeError, msgpack.UnpackException) as problem:
            bad.append(BadItem(name.decode("utf-8", "replace")[:64], payload, f"not an ending: {problem!r}"))
    return ResultEntry(app_name, entry_id.decode(), deliveries, tuple(items), tuple(bad), replay_of)


def _unreadable(name: str, payload: bytes) -> BadItem:
    lane = name.split(":", 2)[-1]
    return BadItem(name[:64], payload, f"lane {lane} held bytes that are no message of this version")


def _item(name: str, payload: bytes) -> ResultItem:
    verb, _, number = name.partition(":")
    ending, log_id = Ending(verb), int(number)
    if ending in _FROM_EXECUTORS:
        return ResultItem(name, ending, log_id, payload, "", "", 0, payload)
    reason, executor, attempt, frame = msgpack.unpackb(payload, raw=True)
    if not isinstance(frame, bytes):
        raise TypeError("the message of the run is not bytes")
    return ResultItem(
        name,
        ending,
        log_id,
        frame,
        reason.decode("utf-8", "replace"),
        executor.decode(),
        int(attempt),
        payload,
    )
