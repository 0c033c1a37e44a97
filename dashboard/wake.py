"""Tells the schedulers that there is something to do."""

from __future__ import annotations

from redis.exceptions import RedisError

from baton import telemetry
from baton.broker.nudge import nudge
from baton.failpoints import failpoint

from .resources import resources


def wake_schedulers(seam: str) -> None:
    """Call it after the commit. Redis may be away: then they find the rows by themselves."""
    # committed, not nudged: schedulers look into SQL once a second anyway, so a crash here costs a second
    failpoint(seam)
    if not resources().breaker.allows:
        return
    try:
        nudge(resources().redis)
    except RedisError as problem:
        resources().breaker.trip()
        telemetry.warning("page.without_redis", error=repr(problem))
