"""The results stream: what is in it is applied soon, by somebody who lives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...store.findings import Sighting
from ..check import Check, Clue, Seen


def _waiting(seen: Seen) -> Iterator[Clue]:
    stream = seen.redis.stream
    if stream.oldest and stream.oldest_age_ms > seen.limits.result_ms:
        yield Clue(stream.oldest, "it is the oldest, and was not applied")


def _not_acknowledged(seen: Seen) -> Iterator[Clue]:
    for each in seen.redis.stream.held:
        if each.idle_ms > seen.limits.result_ms:
            text = f"{each.consumer} got it as its {each.deliveries}. reader"
            yield Clue(each.entry_id, text)


def _idle_consumer(seen: Seen) -> Iterator[Clue]:
    for name in seen.redis.stream.idle_consumers:
        yield Clue(name, "it has nothing, and has asked for nothing for a day")


def _dismiss(redis: Redis, app_name: str, found: Sequence[Sighting]) -> None:
    repairs.dismiss_consumers(redis, app_name, [each.subject for each in found])


CHECKS = (
    Check(
        "results.waiting", "entry", "Results wait, and nobody applies them",
        "Runs have ended, and their rows do not say so. No callbacks process is at work, or its database is "
        "away.",
        "Start a callbacks process, or look at its output.",
        _waiting,
    ),
    Check(
        "results.not_acknowledged", "entry", "A result was read and never acknowledged",
        "Its reader is gone or hangs, and no other has taken it over.",
        "Start a callbacks process: it takes over what was read and left.",
        _not_acknowledged,
    ),
    Check(
        "results.idle_consumer", "consumer", "The results stream remembers a callbacks process that is gone",
        "It only takes room.",
        "Nothing: the background process clears it away.",
        _idle_consumer, _dismiss, is_leftover=True,
    ),
)  # fmt: skip
