"""What pages ask of Redis: an answer, or a notice that Redis is away. Never a broken page.

After a failure Redis is left alone for a moment, so that a server that does not answer costs one
page its time-out and not every question of every page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import g
from redis import Redis
from redis.exceptions import RedisError

from baton import telemetry
from baton.errors import MessageError

from .resources import resources

T = TypeVar("T")


def ask(question: Callable[[Redis], T], otherwise: T) -> T:
    """What Redis says; `otherwise` while it is away, and the page will say so."""
    here = resources()
    if here.breaker.allows:
        try:
            return question(here.redis)
        except (RedisError, MessageError) as problem:
            here.breaker.trip()
            telemetry.warning("page.without_redis", error=repr(problem))
    g.redis_is_away = True
    return otherwise
