"""Processes as operators see them: a tally says that one lives, how its loops do, and what it counted.

A word is numbered, and heard once: redis-py may send it again after a time-out, and what is not known to
have arrived is said again, unchanged, before anything newer. What was counted is added to totals that
belong to no process, so that they stay when it leaves. A process that is killed takes with it what it had
not said yet: at most one interval, and a tenth of a second where results are applied. An emptied Redis begins
at 0, as a restarted counter does.

Ages are told by the clock of Redis alone. Executors speak in the group they serve (the first of several),
all others outside any group. Nothing of the relay depends on any of this.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self, cast

import msgpack
from redis import Redis
from redis.exceptions import RedisError

from .. import __version__, meters, telemetry
from ..clock import SYSTEM_CLOCK
from ..errors import Malformed
from ..loop import Loop
from ..vocabulary import Role
from . import scripts
from .keys import INSTALLATION, GroupKeys
from .scripts import Argument

FIELDS_PER_WORD = 200
"""The server stands still while it adds them."""
LEAST_PAUSE_S = 0.1
"""Between two words of a process that is woken again and again."""
FORGOTTEN_AFTER_MS = 3_600_000
"""A process that was silent for so long is not spoken of any more."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What a process says of itself."""

    process_id: str
    role: str
    host: str
    pid: int
    started_ms: int
    version: str
    overdue_s: dict[str, float] = field(default_factory=dict)
    """Loop -> for how long no step of it came to its end that should have."""

    def to_bytes(self) -> bytes:
        """The stored form."""
        facts = [getattr(self, name) for name in self.__slots__]
        raw: bytes = msgpack.packb(facts)
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the stored form; raises `Malformed`."""
        try:
            process_id, role, host, pid, started_ms, version, overdue_s, *_later = msgpack.unpackb(raw)
            overdue_s = {str(loop): float(seconds) for loop, seconds in overdue_s.items()}
            return cls(
                str(process_id), str(role), str(host), int(pid), int(started_ms), str(version), overdue_s
            )
        except Exception as problem:
            raise Malformed(f"what a process says of itself is not readable: {problem!r}") from None


@dataclass(frozen=True, slots=True)
class Heard:
    """A process, and how long ago it was heard."""

    info: ProcessInfo
    age_s: float


class Tally:
    """One process's word to Redis, said every few seconds."""

    def __init__(
        self,
        redis: Redis,
        role: Role,
        process_id: str,
        *,
        interval_s: float,
        loops: Sequence[Loop] = (),
        app_name: str = INSTALLATION,
    ) -> None:
        self._redis = redis
        self._role = role
        self._process_id = process_id
        self._interval_s = interval_s
        self._loops = loops
        self._keys = GroupKeys(app_name)
        self._started_ms = SYSTEM_CLOCK.now_ms()
        self._script = scripts.load("tally")
        self._sampled: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._word: list[Argument] | None = None
        """Said, and perhaps not heard."""
        self._number = 0
        self._lock = threading.Lock()
        self._has_left = False
        self._spoke_s = -LEAST_PAUSE_S

    def step(self) -> float:
        """Say what there is to say; answers the seconds to the next word. Woken, it says it soon."""
        pause_s = self._spoke_s + LEAST_PAUSE_S - time.monotonic()
        if pause_s > 0:
            return pause_s
        self.speak()
        self._spoke_s = time.monotonic()
        return self._interval_s

    def speak(self) -> None:
        """Say that this process lives, and everything it counted; nothing after the last word."""
        with self._lock:
            if not self._has_left:
                self._speak()

    def leave(self) -> None:
        """Say the last word, from whichever thread. While Redis is away nobody hears it."""
        with self._lock:
            self._has_left = True
            try:
                self._speak()
                with self._redis.pipeline(transaction=False) as pipeline:
                    pipeline.zrem(self._keys.named("tallies"), self._process_id)
                    pipeline.hdel(self._keys.named("processes"), self._process_id)
                    pipeline.execute()
            except RedisError as problem:
                telemetry.warning("process.goodbye_failed", problem=str(problem))

    def _speak(self) -> None:
        self._waiting.update(meters.take())
        self._waiting.update(self._sample())
        about = self._info().to_bytes()
        while True:
            if self._word is None:
                self._word = self._next_word()
            arguments: list[Argument] = [self._process_id, self._number, about, FORGOTTEN_AFTER_MS]
            self._script.run(self._redis, self._keys, [*arguments, *self._word])
            self._word = None
            if not self._waiting:
                return

    def _next_word(self) -> list[Argument]:
        self._number += 1
        word: list[Argument] = []
        for counted in list(islice(self._waiting, FIELDS_PER_WORD)):
            word += (counted, self._waiting.pop(counted))
        return word

    def _sample(self) -> Counter[str]:
        """What others count anyway, as far as it grew since the last look."""
        now: Counter[str] = Counter()
        for name, times in telemetry.counts().items():
            now[meters.EVENTS.field(self._role, name)] += times
        for loop in self._loops:
            now[meters.LOOP_STEPS.field(self._role, loop.name)] += loop.steps
            now[meters.LOOP_FAILURES.field(self._role, loop.name)] += loop.failures
        grown, self._sampled = now - self._sampled, now
        return grown

    def _info(self) -> ProcessInfo:
        overdue_s: dict[str, float] = {}
        for loop in self._loops:
            overdue_s[loop.name] = max(overdue_s.get(loop.name, 0.0), round(loop.overdue_s(), 3))
        return ProcessInfo(
            self._process_id,
            self._role,
            socket.gethostname(),
            os.getpid(),
            self._started_ms,
            __version__,
            overdue_s,
        )


def heard(redis: Redis, app_name: str = INSTALLATION) -> list[Heard]:
    """The processes that were heard within the last hour; what cannot be read is left out."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.time()
        pipeline.zrange(keys.named("tallies"), 0, -1, withscores=True)
        pipeline.hgetall(keys.named("processes"))
        (seconds, micros), tallies, processes = pipeline.execute()
    now_ms = seconds * 1000 + micros // 1000
    at_ms = {bytes(name): int(score) for name, score in tallies}
    return [
        Heard(info, max(0, now_ms - at_ms[name]) / 1000)
        for name, word in processes.items()
        if name in at_ms and (info := _readable(word)) is not None
    ]


def totals(redis: Redis, app_names: Iterable[str]) -> dict[str, int]:
    """What was counted in these groups and outside of any, by field."""
    with redis.pipeline(transaction=False) as pipeline:
        for app_name in (INSTALLATION, *app_names):
            pipeline.hgetall(GroupKeys(app_name).named("totals"))
        answers = cast(list[dict[bytes, bytes]], pipeline.execute())
    added: Counter[str] = Counter()
    for answer in answers:
        for name, amount in answer.items():
            if amount.isdigit():  # untrusted: no counter of ours is negative, or anything else
                added[name.decode("utf-8", "replace")] += int(amount)
    return dict(added)


def _readable(word: Any) -> ProcessInfo | None:
    try:
        return ProcessInfo.from_bytes(bytes(word).partition(b"|")[2])
    except Malformed:
        return None
