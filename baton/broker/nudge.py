"""Wake the schedulers: a row was inserted or a job was edited. A hint; they also look by themselves."""

from __future__ import annotations

from redis import Redis

from .keys import NUDGE


def nudge(redis: Redis) -> None:
    """Wake one scheduler. Call it after the commit."""
    redis.zadd(NUDGE, {"0": 0})


def wait_for_nudge(blocking_redis: Redis, timeout_s: float) -> bool:
    """Block until somebody nudges, at most `timeout_s` (over 0, up to 10 s)."""
    return blocking_redis.bzpopmin(NUDGE, timeout_s) is not None
