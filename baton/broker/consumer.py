"""Claim, renew, settle, hand back: the executor's side of the lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from redis import Redis
from redis.exceptions import NoScriptError

from ..vocabulary import Outcome
from . import recovery, scripts
from .keys import GroupKeys
from .presence import ExecutorInfo
from .scripts import Argument

MAX_CLAIM_RUNS = 100
"""Lanes one claim looks at: the server stands still while a script runs."""

MAX_SETTLE_RUNS = 200


@dataclass(frozen=True, slots=True)
class Limit:
    """A handler that needs more than a free child."""

    needs: str
    """Its name, or a glue type: see `messages.needs_of`."""
    is_coroutine: bool
    left: int | None
    """How many more runs of it may be claimed; None: as many as there is room for."""


@dataclass(frozen=True, slots=True)
class Room:
    """What an executor may claim."""

    plain: int = 0
    """Runs for a child of their own."""
    coroutines: int = 0
    """Runs for the event loop."""
    limits: tuple[Limit, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether there is room at all."""
        return self.plain > 0 or self.coroutines > 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message and the lease on it."""

    log_id: int
    token: int
    attempt: int
    """Outranks the one inside the message: a re-run raises it."""
    lane: str
    element: bytes
    """The message as it stood in the lane; `reassert` needs it."""
    frame: bytes
    """The sealed TriggerParam."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The ending of a claimed run."""

    log_id: int
    token: int
    attempt: int
    frame: bytes
    """The sealed HandleCallbackParam."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants a run ended."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class RenewAnswer:
    """What a renewal says about the runs that are not simply fine."""

    stop: dict[int, Stop] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)
    """Somebody else has the run now: stop it here."""
    unknown: set[int] = field(default_factory=set)
    """Redis lost the lease: `reassert` it, unless the run has ended meanwhile."""
    orphans: dict[int, int] = field(default_factory=dict)
    """Log id -> token of leases this executor did not name: the answer to a claim was lost, or is
    still on its way. Hand back what two renewals in a row call an orphan."""
    is_drained: bool = False
    """Somebody wants this executor to claim nothing new."""


class Consumer:
    """One executor's conversation with the lanes of its group."""

    def __init__(
        self,
        redis: Redis,
        blocking_redis: Redis,
        app_name: str,
        executor_id: str,
        tags: Sequence[str] = (),
    ) -> None:
        self._redis = redis
        self._blocking = blocking_redis
        self._keys = GroupKeys(app_name, executor_id)
        self._app_name = app_name
        self._executor_id = executor_id
        self._tags = tuple(tags)
        self._claim = scripts.load("claim")
        self._settle = scripts.load("settle")

    def claim(self, room: Room) -> list[Claimed]:
        """Take as many messages as there is room for, each with a lease."""
        if not room.is_any:
            return []
        return _claimed(self._claim.run(self._redis, self._keys, self._claim_arguments(room)))

    def settle(self, settled: Sequence[Settled]) -> None:
        """Give the leases back and report the endings, in one atomic step per 200 runs."""
        for batch in _batches(settled):
            self._settle.run(self._redis, self._keys, self._settle_arguments(batch))

    def settle_and_claim(self, settled: Sequence[Settled], room: Room) -> list[Claimed]:
        """`settle`, then `claim`, in one round trip."""
        if not settled:
            return self.claim(room)
        if not room.is_any or len(settled) > MAX_SETTLE_RUNS:
            self.settle(settled)
            return self.claim(room)
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                self._settle.queue(pipeline, self._keys, self._settle_arguments(settled))
                self._claim.queue(pipeline, self._keys, self._claim_arguments(room))
                with scripts.metered("settle_and_claim"):
                    return _claimed(pipeline.execute()[1])
        except NoScriptError:
            # the server restarted; both calls stand being repeated
            scripts.load_on_server(self._redis, "settle", "claim")
            self.settle(settled)
            return self.claim(room)

    def renew(self, info: ExecutorInfo, held: Mapping[int, int]) -> RenewAnswer:
        """Beat, and renew all leases (log id -> token) in one call."""
        arguments: list[Argument] = [self._executor_id, info.to_bytes()]
        for log_id, token in held.items():
            arguments += (log_id, token)
        return _renewed(scripts.load("renew").run(self._redis, self._keys, arguments))

    def reassert(self, claimed: Sequence[Claimed]) -> set[int]:
        """Make the leases of these running runs again; answers the log ids that were refused."""
        if not claimed:
            return set()
        arguments: list[Argument] = [self._keys.prefix, self._executor_id]
        for run in claimed:
            arguments += (run.log_id, run.token, run.attempt, run.lane, run.element)
        refused = scripts.load("reassert").run(self._redis, self._keys, arguments)
        return {int(log_id) for log_id in refused}

    def hand_back(self, tokens: Mapping[int, int]) -> int:
        """Return runs unrun to the head of their lanes; answers how many went back."""
        if not tokens:
            return 0
        arguments: list[Argument] = [self._keys.prefix]
        for log_id, token in tokens.items():
            arguments += (log_id, token)
        return int(scripts.load("hand_back").run(self._redis, self._keys, arguments))

    def wait_for_work(self, timeout_s: float) -> bool:
        """Block until lanes may be ready, at most `timeout_s` (over 0, up to 10 s)."""
        return self._blocking.bzpopmin(self._keys.markers(self._tags), timeout_s) is not None

    def leave(self) -> None:
        """Say goodbye: nobody has to wait until this executor counts as dead.

        What waits for it alone is routed again; runs it still has a lease on are taken back.
        """
        beat = self._redis.hget(self._keys.named("beats"), self._executor_id)
        if beat is not None:
            recovery.recover(
                self._redis,
                self._app_name,
                self._executor_id,
                int(cast(bytes, beat)),
                what_it_did="was stopped",
                evidence="and said goodbye itself",
            )

    def _claim_arguments(self, room: Room) -> list[Argument]:
        arguments: list[Argument] = [self._keys.prefix, self._executor_id]
        arguments += [min(room.plain, MAX_CLAIM_RUNS), min(room.coroutines, MAX_CLAIM_RUNS), len(room.limits)]
        for limit in room.limits:
            arguments += (limit.needs, int(limit.is_coroutine), -1 if limit.left is None else limit.left)
        return [*arguments, *self._tags]

    def _settle_arguments(self, settled: Sequence[Settled]) -> list[Argument]:
        arguments: list[Argument] = [self._keys.prefix]
        for run in {run.log_id: run for run in settled}.values():
            arguments += (run.log_id, run.token, run.attempt, run.frame)
        return arguments


def _batches(settled: Sequence[Settled]) -> list[Sequence[Settled]]:
    return [settled[i : i + MAX_SETTLE_RUNS] for i in range(0, len(settled), MAX_SETTLE_RUNS)]


def _claimed(flat: list[bytes]) -> list[Claimed]:
    return [_one_claimed(*flat[i : i + 3]) for i in range(0, len(flat), 3)]


def _one_claimed(token: bytes, lane: bytes, element: bytes) -> Claimed:
    log_id, attempt, _reruns, _on_lost, _expires, _is_pinned, _slots, frame = element.split(b":", 7)
    return Claimed(int(log_id), int(token), int(attempt), lane.decode(), element, frame)


def _renewed(flat: list[bytes]) -> RenewAnswer:
    answer = RenewAnswer(is_drained=b"drain" in flat[::3])
    for i in range(0, len(flat), 3):
        verdict, log_id, text = flat[i], int(flat[i + 1]), flat[i + 2].decode()
        if verdict == b"stop":
            outcome, _, reason = text.partition("|")
            answer.stop[log_id] = Stop(Outcome(outcome), reason)
        elif verdict == b"stale":
            answer.stale.add(log_id)
        elif verdict == b"unknown":
            answer.unknown.add(log_id)
        elif verdict == b"orphan":
            answer.orphans[log_id] = int(text)
    return answer
