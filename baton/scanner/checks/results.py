"""The results stream: what is in it is applied soon, by somebody who lives."""

from __future__ import annotations

from collections.abc import Iterator

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
)  # fmt: skip
