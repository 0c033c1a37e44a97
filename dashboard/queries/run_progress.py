"""How far a run is, by its own word."""

from __future__ import annotations

from redis import Redis

from baton.broker import progress
from baton.broker.progress import Reported
from baton.store.runs import RunView

from ..redis_side import ask


def of_run(run: RunView) -> Reported | None:
    """What it said last; None if it said nothing, or long ago."""
    app_name = run.app_name
    if app_name is None:
        return None

    def look(redis: Redis) -> Reported | None:
        return progress.of_runs(redis, app_name, [run.log_id]).get(run.log_id)

    return ask(look, None)
