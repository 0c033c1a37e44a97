"""What this Redis remembers of the results of a group. Spoken by the executors.

An executor keeps the endings that Redis accepted until their results have left the stream. Two
questions decide: has everything up to an entry been applied, and did Redis lose data since the last
look? One transaction answers both, so that a stream that was emptied by a loss is never taken for one
that was emptied by the callbacks process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from .keys import GroupKeys

_NO_STREAM = "0-0"


@dataclass(frozen=True, slots=True)
class Glance:
    """One look."""

    memory: str
    """Another one than before: Redis was restarted, replaced or emptied, and may have lost something."""
    newest: str
    """The id of the newest entry the stream ever had."""
    oldest: str | None
    """The id of the oldest entry that was not applied; None: all were."""

    def continues(self, before: Glance | None) -> bool:
        """Whether nothing can have been lost since that earlier look."""
        return (
            before is not None
            and self.memory == before.memory
            and _place(self.newest) >= _place(before.newest)
        )

    def has_passed(self, mark: str) -> bool:
        """Whether every entry up to `mark` has been applied, as far as this memory reaches."""
        return self.oldest is None or _place(self.oldest) > _place(mark)


def look(redis: Redis, app_name: str) -> Glance:
    """Look at one group."""
    keys = GroupKeys(app_name)
    results = keys.named("results")
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.info("server")
        pipeline.mget(keys.named("epoch"), keys.named("opening"))
        pipeline.xinfo_stream(results)
        pipeline.xrange(results, "-", "+", count=1)
        server, said, stream, first = pipeline.execute(raise_on_error=False)
    for answer in (server, said, first):
        if isinstance(answer, Exception):
            raise answer
    epoch, opening = (value.decode() if value else "" for value in said)
    return Glance(
        memory=f"{server['run_id']} {epoch} {opening}",
        newest=_newest(stream),
        oldest=first[0][0].decode() if first else None,
    )


def _newest(stream: Any) -> str:
    if isinstance(stream, ResponseError):
        if "no such key" in str(stream):
            return _NO_STREAM
        raise stream
    newest = stream["last-generated-id"]
    return newest.decode() if isinstance(newest, bytes) else str(newest)


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
