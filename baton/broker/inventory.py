"""Everything Redis holds of one group, read in slices for the invariant scanner.

Nothing here is one moment: runs go on while it is read. What is read as wrong may have been on its way, and
whoever judges it looks twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from . import presence, recovery, scripts
from .keys import RESULTS_GROUP, GroupKeys, job_of, owner_of
from .keyspace import Names
from .presence import ExecutorInfo
from .recovery import WrongLane

_AT_A_TIME = 500
_LANES_A_CALL = 20
HEAD_RUNS = 10
"""Of each lane so many of its oldest messages are looked at: they are the next to run."""
PEEKED_LANES = 2_000
"""Where more lanes have messages, each look takes others of them."""
OLDEST_ENTRIES = 50
IDLE_MS = 24 * 3_600_000
"""A consumer that asked for nothing for so long is gone."""
_TURNS_OF_A_PRIORITY = 10**13
"""As in `_lane.lua`."""
_LEASE = re.compile(rb"(\d+)\|([^|]*)\|([^|]*)\|(\d+)\|(\d+):(\d+):\d+:[A-Z]+:\d+:[01]:(\d+)(J?):", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease without its message."""

    log_id: int
    token: int
    executor_id: str
    lane: str
    attempt: int
    slots: int
    """Runs its holder may have at a time, as the message says."""
    holder: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in its lane; log id 0 for bytes that nobody can read."""

    lane: str
    log_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Held:
    """A stream entry that a consumer has read and not acknowledged."""

    entry_id: str
    consumer: str
    idle_ms: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Stream:
    """The results stream."""

    oldest: str = ""
    """The oldest that is not applied; empty when all are."""
    oldest_age_ms: int = 0
    """By the clock of Redis."""
    held: tuple[Held, ...] = ()
    """The oldest of those that somebody has."""
    idle_consumers: tuple[str, ...] = ()
    """Consumers that have nothing, and have asked for nothing for a day."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is of one group."""

    app_name: str
    names: Names = field(default_factory=Names)
    is_open: bool = True
    is_read: bool = False
    """False: the rest is empty because nobody looked."""
    leases: Mapping[int, Lease] = field(default_factory=dict)
    unreadable_leases: tuple[str, ...] = ()
    slots: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Holder -> log ids that have its slots."""
    wrong_lanes: tuple[WrongLane, ...] = ()
    misplaced: tuple[tuple[str, str], ...] = ()
    """Lanes in the ready set of somebody else, and whose that is: `@<executor>`, `#<tag>`, empty for all."""
    waiting: tuple[Waiting, ...] = ()
    held: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Executor -> log ids it holds."""
    executors: Mapping[str, ExecutorInfo] = field(default_factory=dict)
    beats: Mapping[str, int] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    flagged: frozenset[int] = frozenset()
    """Runs that somebody asked to end, and runs that were started again."""
    remembered_lanes: frozenset[str] = frozenset()
    """Lanes of which it is known what they need, or how many slots they have."""
    last_token: int | None = None
    turns: Mapping[str, int] = field(default_factory=dict)
    """Ready lane -> its turn."""
    last_turn: int | None = None
    stream: Stream = Stream()

    @property
    def log_ids(self) -> set[int]:
        """Every run that is named anywhere."""
        return {*self.leases, *self.flagged, *(each.log_id for each in self.waiting)} - {0}


def take(redis: Redis, app_name: str, names: Names, suspect_lanes: Collection[str] = ()) -> Inventory:
    """Look once; `names` are those of `keyspace.walk`. Raises `ResponseError` for a key of a wrong type.

    Into suspect lanes it is looked, however many lanes there are.
    """
    keys = GroupKeys(app_name)
    if not recovery.is_open(redis, app_name):
        return Inventory(app_name, names, is_open=False)
    beats = presence.beats(redis, app_name)  # before the leases: who has none then, had none when they came
    leases, unreadable = _leases(redis, keys)
    slots = {_word(holder): _ids(value) for holder, value in _pairs(redis, keys.named("running"))}
    known = {_word(lane) for name in ("facts", "needs") for lane, _ in _pairs(redis, keys.named(name))}
    flags = {_word(log_id) for name in ("cancels", "reruns") for log_id, _ in _pairs(redis, keys.named(name))}
    queues = sorted(names.of_family["queue"])
    ready = list(ready_lanes(redis, keys, names.of_family["ready"]))
    lanes = sorted({*queues, *slots, *(lane for lane, _, _ in ready)})
    last_token, last_turn = _numbers(redis, keys, "token", "seq")
    return Inventory(
        app_name,
        names,
        is_read=True,
        leases=leases,
        unreadable_leases=unreadable,
        slots=slots,
        wrong_lanes=tuple(recovery.wrong_lanes(redis, app_name, lanes)),
        misplaced=tuple((lane, owner) for lane, owner, _ in ready if owner_of(lane) != owner),
        turns={lane: turn for lane, _, turn in ready},
        waiting=tuple(_waiting(redis, keys, _some(queues, suspect_lanes))),
        held={each: _held(redis, GroupKeys(app_name, each)) for each in names.of_family["held"]},
        executors={each.executor_id: each for each in presence.executors(redis, app_name)},
        beats=beats,
        drained=frozenset(_word(each) for each, _ in _pairs(redis, keys.named("drains"))),
        flagged=frozenset(int(each) for each in flags if each.isdigit()),
        remembered_lanes=frozenset(known),
        last_token=last_token,
        last_turn=last_turn,
        stream=_stream(redis, keys),
    )


def _leases(redis: Redis, keys: GroupKeys) -> tuple[dict[int, Lease], tuple[str, ...]]:
    leases: dict[int, Lease] = {}
    unreadable = []
    for name, value in _pairs(redis, keys.named("leases")):
        said = _LEASE.match(value)
        if said is None or not name.isdigit():
            unreadable.append(_word(name))
            continue
        token, executor, raw_lane, _since, _log_id, attempt, slots, scope = said.groups()
        lane = _word(raw_lane)
        holder = job_of(lane) if scope else lane
        leases[int(name)] = Lease(
            int(name), int(token), _word(executor), lane, int(attempt), int(slots), holder
        )
    return leases, tuple(unreadable)


def ready_lanes(redis: Redis, keys: GroupKeys, owners: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """Each ready lane, whose ready set has it, and its turn there, whatever its priority."""
    for owner in owners:
        for lane, score in redis.zscan_iter(keys.ready(owner), count=_AT_A_TIME):
            yield _word(lane), owner, int(score) % _TURNS_OF_A_PRIORITY


def _numbers(redis: Redis, keys: GroupKeys, *names: str) -> list[int | None]:
    found = cast(list[bytes | None], redis.mget([keys.named(name) for name in names]))
    return [int(each) if each is not None else None for each in found]


def _some(lanes: list[str], wanted: Collection[str]) -> list[str]:
    if len(lanes) <= PEEKED_LANES:
        return lanes
    chosen = random.sample(lanes, PEEKED_LANES)
    return sorted({*chosen, *(lane for lane in lanes if lane in wanted)})


def _waiting(redis: Redis, keys: GroupKeys, lanes: list[str]) -> Iterator[Waiting]:
    for start in range(0, len(lanes), _LANES_A_CALL):
        batch = lanes[start : start + _LANES_A_CALL]
        flat = scripts.load("peek").run(redis, keys, [keys.prefix, HEAD_RUNS, *batch])
        for i in range(0, len(flat), 3):
            yield Waiting(_word(flat[i]), int(flat[i + 1]), int(flat[i + 2]))


def _held(redis: Redis, keys: GroupKeys) -> frozenset[int]:
    members = redis.sscan_iter(keys.named("held"), count=_AT_A_TIME)
    return frozenset(int(each) for each in members if each.isdigit())


def _stream(redis: Redis, keys: GroupKeys) -> Stream:
    results = keys.named("results")
    first = cast(list[tuple[bytes, Any]], redis.xrange(results, "-", "+", count=1))
    seconds, micros = redis.time()
    oldest = _word(first[0][0]) if first else ""
    age_ms = seconds * 1000 + micros // 1000 - int(oldest.partition("-")[0]) if oldest else 0
    idle = tuple(_idle_consumers(redis, results))
    return Stream(oldest, age_ms, tuple(_pending(redis, results)), idle)


def _pending(redis: Redis, results: str) -> Iterable[Held]:
    try:
        found = cast(
            list[dict[str, Any]], redis.xpending_range(results, RESULTS_GROUP, "-", "+", OLDEST_ENTRIES)
        )
    except ResponseError as problem:
        if "NOGROUP" not in str(problem):
            raise
        return []  # nobody has read it yet
    return [
        Held(
            _word(each["message_id"]),
            _word(each["consumer"]),
            int(each["time_since_delivered"]),
            int(each["times_delivered"]),
        )
        for each in found
    ]


def _idle_consumers(redis: Redis, results: str) -> Iterator[str]:
    try:
        found = redis.xinfo_consumers(results, RESULTS_GROUP)
    except ResponseError as problem:
        if not any(word in str(problem) for word in ("NOGROUP", "no such key")):
            raise
        return
    for each in found:
        if each["pending"] == 0 and each["idle"] >= IDLE_MS:
            yield _word(each["name"])


def _pairs(redis: Redis, key: str) -> Iterator[tuple[bytes, bytes]]:
    return cast(Iterator[tuple[bytes, bytes]], redis.hscan_iter(key, count=_AT_A_TIME))


def _ids(value: bytes) -> tuple[int, ...]:
    return tuple(int(each) for each in value.split(b",") if each.isdigit())


def _word(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
