"""Which lane a trigger goes to: one pure function per route strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baton.broker.keys import lane_of
from baton.vocabulary import RouteStrategy

Route = Callable[[int, Sequence[str]], str]
"""(job id, ids of the living executors) -> lane."""


def any_executor(job_id: int, _executors: Sequence[str]) -> str:
    """The shared lane of the job: whoever has a free slot first takes the trigger from there.

    Nobody has to live now: the trigger waits in the lane until somebody does.
    """
    return lane_of(job_id)


ROUTES: dict[str, Route] = {RouteStrategy.ANY: any_executor}
"""By the strategy's stored word."""


def choose(strategy: str, job_id: int, executors: Sequence[str]) -> str:
    """The lane for one trigger. `strategy` must be one of `ROUTES`."""
    return ROUTES[strategy](job_id, executors)
