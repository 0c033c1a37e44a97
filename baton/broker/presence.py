"""Executors as the others see them: who is there, what they can do, do they still beat."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, cast

import msgpack
from redis import Redis

from ..errors import Malformed
from .keys import GroupKeys


@dataclass(frozen=True, slots=True)
class ExecutorInfo:
    """What an executor says of itself with each beat."""

    executor_id: str
    host: str
    pid: int
    handlers: tuple[str, ...]
    slots: int
    running: int
    started_ms: int
    beat_ms: int
    """Wall clock of the executor, to be shown; death is never judged by it."""
    version: str
    state: str
    """`running` or `draining`."""
    tags: tuple[str, ...] = ()
    """What it can do that others cannot: jobs with a tag go only to executors that carry it."""
    glue_types: tuple[str, ...] = ()
    """The kinds of scripts it may run, and has the programs for."""
    spool_state: str = "ok"
    """A word of `SpoolState`."""
    spool_bytes: int = 0
    spool_waiting: int = 0
    """Endings that Redis has not accepted."""
    quarantined: int = 0
    """Files of its spool directory that nobody can deliver."""
    problem: str = ""
    """Why some of its handlers are not there: the traces of modules that cannot be imported."""

    def to_bytes(self) -> bytes:
        """The stored form."""
        raw: bytes = msgpack.packb(asdict(self))
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the stored form; raises `Malformed`."""
        try:
            values: dict[str, Any] = msgpack.unpackb(raw)
            # what an older executor does not say yet has a default
            known = {f.name: values.get(f.name, f.default) for f in fields(cls)}
            for name in ("handlers", "tags", "glue_types"):
                known[name] = tuple(known[name])
            return cls(**known)
        except Exception as problem:
            raise Malformed(f"an executor's info is not readable: {problem!r}") from None


def new_executor_id() -> str:
    """Host, process and a nonce: two processes never share one, whatever their host is called."""
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())[:64]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def executors(redis: Redis, app_name: str) -> list[ExecutorInfo]:
    """All executors of a group that have not left and were not declared dead."""
    raw = cast(dict[bytes, bytes], redis.hgetall(GroupKeys(app_name).named("executors")))
    return sorted((ExecutorInfo.from_bytes(info) for info in raw.values()), key=lambda e: e.executor_id)


def beats(redis: Redis, app_name: str) -> dict[str, int]:
    """Executor id -> beat counter. Only whether it moved means something."""
    raw = cast(dict[bytes, bytes], redis.hgetall(GroupKeys(app_name).named("beats")))
    return {executor.decode(): int(count) for executor, count in raw.items()}
