"""Push a batch of triggers into their lanes. Spoken by the scheduler's pusher, nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from redis import Redis

from ..errors import BrokerError
from . import scripts
from .keys import GroupKeys

MAX_PUSH_ROWS = 200
"""Rows per script call: the server stands still while a script runs."""


@dataclass(frozen=True, slots=True)
class PushRow:
    """One trigger on its way into a lane."""

    log_id: int
    lane: str
    block_strategy: str
    attempt: int
    on_lost: str
    frame: bytes
    """The sealed TriggerParam."""
    expires_ms: int = 0
    """If nobody claims it by then it ends as expired; 0: never."""
    is_pinned: bool = False
    """No other executor may have it when that of its lane dies."""
    slots: int = 1
    """Runs its lane may have at a time."""
    is_of_job: bool = False
    """All lanes of its job share the slots; what waits in any of them counts for all."""
    priority: int = 5
    max_queue: int = 0
    """Discarded if so many wait already; 0: no limit."""
    needs: str = ""
    """What an executor needs to run it (`messages.needs_of`): those without room for it pass it over."""


class PushVerdict(StrEnum):
    """What the push script did with a row."""

    QUEUED = "queued"
    REPEATED = "repeated"
    DISCARDED = "discarded"
    GONE = "gone"
    """The executor of that lane is not there: nothing was written, choose another."""


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """The verdict on one row, and the log ids it displaced."""

    verdict: PushVerdict
    covered: tuple[int, ...] = ()


class GroupClosed(BrokerError):
    """Redis has no data of this group (it is new, or lost them): the sweeper opens it."""


class Producer:
    """The pushing side of the lanes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._push = scripts.load("push")

    def push(self, app_name: str, rows: Sequence[PushRow]) -> list[PushAnswer]:
        """Push up to `MAX_PUSH_ROWS` rows in one atomic step; raises `GroupClosed`.

        A log id may stand in the batch once only.
        """
        if not rows:
            return []
        if len(rows) > MAX_PUSH_ROWS or len({row.log_id for row in rows}) != len(rows):
            raise ValueError(f"push takes up to {MAX_PUSH_ROWS} rows with different log ids")
        keys = GroupKeys(app_name)
        arguments: list[str | bytes | int] = [keys.prefix]
        for row in rows:
            arguments += (row.log_id, row.lane, row.block_strategy, _element(row))
            arguments += (_facts(row), row.max_queue, row.needs)
        answer = self._push.run(self._redis, keys, arguments)
        if answer is None:
            raise GroupClosed(
                f"group {app_name!r} is closed: waiting for its executors to re-assert their runs"
            )
        return [_answer(word) for word in answer]


def _element(row: PushRow) -> bytes:
    on_lost, is_pinned = row.on_lost.encode(), int(row.is_pinned)
    scope = b"J" if row.is_of_job else b""
    facts = (row.log_id, row.attempt, on_lost, row.expires_ms, is_pinned, row.slots, scope)
    return b"%d:%d:0:%b:%d:%d:%d%b:" % facts + row.frame


def _facts(row: PushRow) -> str:
    return f"{row.slots}:{row.priority}" + (":J" if row.is_of_job else "")


def _answer(word: bytes) -> PushAnswer:
    verdict, _, covered = word.decode().partition(":")
    ids = tuple(int(log_id) for log_id in covered.split(",")) if covered else ()
    return PushAnswer(PushVerdict(verdict), ids)
