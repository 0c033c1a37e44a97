"""Keys: each is in the table of keys, has the type that stands there, and goes when it shall go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis import Redis

from ...broker import repairs
from ...broker.keyspace import FOR_EVER, UNKNOWN
from ...store.findings import Sighting
from ..check import Check, Clue, Seen


def _unknown(seen: Seen) -> Iterator[Clue]:
    for key in seen.redis.names.odd:
        if key.why == UNKNOWN:
            yield Clue(key.name, "no rule knows it")


def _of_wrong_type(seen: Seen) -> Iterator[Clue]:
    for key in seen.redis.names.odd:
        if key.why not in (UNKNOWN, FOR_EVER):
            yield Clue(key.name, f"it is a {key.why}")


def _for_ever(seen: Seen) -> Iterator[Clue]:
    for key in seen.redis.names.odd:
        if key.why == FOR_EVER:
            yield Clue(key.name, "it has no expiry")


def _let_expire(redis: Redis, _app_name: str, found: Sequence[Sighting]) -> None:
    repairs.let_expire(redis, [each.subject for each in found])


CHECKS = (
    Check(
        "key.unknown", "key", "A key of ours that no rule knows",
        "Somebody made it by hand, or another version of Baton uses this Redis too.",
        "Let all processes be of one version. Delete the key if nobody wants it.",
        _unknown,
    ),
    Check(
        "key.of_wrong_type", "key", "A key has another type than it should have",
        "Scripts that need it fail, so the group may stand still; the rest of it is not looked at. Somebody "
        "wrote it by hand.",
        "Delete the key. What was in it is made again from the rows.",
        _of_wrong_type,
    ),
    Check(
        "key.for_ever", "key", "A key would go by itself, and has lost its expiry",
        "It only takes room. Somebody took its expiry, or a process died right after it wrote it.",
        "Nothing: the background process clears it away.",
        _for_ever, _let_expire, is_leftover=True,
    ),
)  # fmt: skip
