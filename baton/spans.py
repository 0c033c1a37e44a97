"""Where the steps of a run stand in its trace; without OpenTelemetry, so that all may import it.

A log row has one trace: plan → push → run → apply, each the child of the one before. Its id, and those
of the steps that schedulers and callbacks tell of, are made from the log id and a secret of the
installation: whoever has the row knows them, so nothing has to be stored, and two processes that tell
of the same step tell of the same span. What travels in messages is the W3C form of a `Place`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

_HEADER = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Place:
    """One span of one trace."""

    trace_id: int
    span_id: int
    is_sampled: bool = True
    """Whether anybody is told of this trace."""

    @property
    def header(self) -> str:
        """As `traceparent` of the W3C has it."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.is_sampled):02x}"

    @classmethod
    def from_header(cls, text: str) -> Self | None:
        """None for what is no `traceparent`: a run must not suffer from its trace."""
        found = _HEADER.fullmatch(text)
        if found is None:
            return None
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        return cls(trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None


class Step(Enum):
    """What is told of a row by those who have its row."""

    PLAN = b"plan"
    PUSH = b"push"
    APPLY = b"apply"


class Kind(Enum):
    """What a span is to the message it concerns."""

    INTERNAL = "internal"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Places:
    """The places of an installation's rows."""

    def __init__(self, access_token: str) -> None:
        self._secret = hmac.digest(access_token.encode(), b"baton/trace", hashlib.sha256)

    def of(self, log_id: int, step: Step) -> Place:
        """The place of one step of one row: the same whoever asks."""
        row = hmac.digest(self._secret, b"%d" % log_id, hashlib.sha256)
        own = hmac.digest(row, step.value, hashlib.sha256)
        return Place(int.from_bytes(row[:16], "big") or 1, int.from_bytes(own[:8], "big") or 1)


Facts = Mapping[str, str | int | bool]
"""The attributes of a span."""


@dataclass(frozen=True, slots=True)
class Told:
    """A step that is over, to be told of as a span. Times are epoch nanoseconds."""

    name: str
    kind: Kind
    place: Place
    began_ns: int
    ended_ns: int
    facts: Facts
    parent: Place | None = None
    links: tuple[Place, ...] = ()
    problem: str = ""
    """Why it failed; empty: it did not."""


def facts_of(
    operation: str, kind: str, app_name: str, job_id: int, log_id: int, **others: str | int | bool
) -> Facts:
    """What a span of a run says; names as OpenTelemetry has them for messaging, where it has one."""
    return {
        "messaging.system": "baton",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": app_name,
        "messaging.message.id": str(log_id),
        "baton.job_id": job_id,
        "baton.log_id": log_id,
        **{f"baton.{name}": value for name, value in others.items()},
    }
