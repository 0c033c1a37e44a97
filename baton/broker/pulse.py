"""Listen to executors for a beat each: which of them beat, and what do their clocks show?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis

from ..clock import SYSTEM_CLOCK, Clock
from .presence import ExecutorInfo, executors

_LOOK_S = 0.05
"""Between two looks; a skew is known to be right to this much."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One executor, and what was heard of it."""

    app_name: str
    executor: ExecutorInfo
    skew_ms: int | None
    """How far its clock is ahead of this machine's; None: it did not beat."""


def listen(
    redis: Redis, app_names: Sequence[str], *, within_s: float, clock: Clock = SYSTEM_CLOCK
) -> list[Pulse]:
    """Wait until every executor of these groups has beaten once, but no longer than `within_s`.

    One that leaves meanwhile is left out.
    """
    silent = {(name, each.executor_id): each for name in app_names for each in executors(redis, name)}
    heard: list[Pulse] = []
    give_up_s = clock.monotonic_s() + within_s
    while silent and clock.monotonic_s() < give_up_s:
        time.sleep(_LOOK_S)
        for app_name in sorted({name for name, _ in silent}):
            now = {each.executor_id: each for each in executors(redis, app_name)}
            now_ms = clock.now_ms()
            for seat in [seat for seat in silent if seat[0] == app_name]:
                info = now.get(seat[1])
                if info is None:
                    del silent[seat]
                elif info.beat_ms != silent[seat].beat_ms:
                    del silent[seat]
                    heard.append(Pulse(app_name, info, info.beat_ms - now_ms))
    heard += [Pulse(app_name, info, None) for (app_name, _), info in silent.items()]
    return sorted(heard, key=lambda each: (each.app_name, each.executor.executor_id))
