"""How far runs are, by their own word: written by executors, read by pages.

Nothing depends on it, so it is neither signed nor settled, and it goes an hour after its last change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgpack
from redis import Redis

from ..context import Progress
from .keys import GroupKeys

KEPT_S = 3600


@dataclass(frozen=True, slots=True)
class Reported:
    """A run's word, and when it was said."""

    progress: Progress
    at_ms: int


def publish(redis: Redis, app_name: str, of_runs: Mapping[int, Progress], now_ms: int) -> None:
    """Write how far these runs (log id -> progress) are."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for log_id, progress in of_runs.items():
            value: bytes = msgpack.packb([progress.fraction, progress.note, now_ms])
            pipeline.set(keys.progress(log_id), value, ex=KEPT_S)
        pipeline.execute()


def of_runs(redis: Redis, app_name: str, log_ids: Sequence[int]) -> dict[int, Reported]:
    """What these runs said last; those that said nothing are left out."""
    if not log_ids:
        return {}
    keys = GroupKeys(app_name)
    found = cast(list[bytes | None], redis.mget([keys.progress(log_id) for log_id in log_ids]))
    said = {log_id: _read(raw) for log_id, raw in zip(log_ids, found, strict=True) if raw is not None}
    return {log_id: reported for log_id, reported in said.items() if reported is not None}


def _read(raw: bytes) -> Reported | None:
    """None for what no executor of ours wrote: a bar that is missing harms nobody."""
    try:
        values: Any = msgpack.unpackb(raw)
        fraction, note, at_ms = values
        return Reported(Progress(min(max(float(fraction), 0.0), 1.0), str(note)), int(at_ms))
    except Exception:
        return None
