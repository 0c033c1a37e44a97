"""Which executor gets a trigger: one pure function per route strategy.

The rules are XXL-JOB's. The candidates are the living executors of the group that take work and
carry the job's tag, by id; there is at least one. ANY asks nobody: the trigger waits in a lane
that all of them claim from.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence

from baton.broker.routes import JobRoutes
from baton.vocabulary import RouteStrategy

Route = Callable[[int, Sequence[str], JobRoutes], str]
"""(job id, candidates, what is remembered of the job) -> executor id."""

VIRTUAL_NODES = 100
"""Places of each executor on the ring of CONSISTENT_HASH: its share differs little from the others'."""


def first(_job_id: int, candidates: Sequence[str], _routes: JobRoutes) -> str:
    """The first of them."""
    return candidates[0]


def last(_job_id: int, candidates: Sequence[str], _routes: JobRoutes) -> str:
    """The last of them."""
    return candidates[-1]


def round_robin(job_id: int, candidates: Sequence[str], routes: JobRoutes) -> str:
    """Each in turn; jobs begin at different ones, so that the first is not everybody's first."""
    return candidates[(job_id + routes.turns) % len(candidates)]


def by_chance(_job_id: int, candidates: Sequence[str], _routes: JobRoutes) -> str:
    """Any of them, each as likely."""
    return random.choice(candidates)  # noqa: S311 - nothing depends on its being unpredictable


def consistent_hash(job_id: int, candidates: Sequence[str], _routes: JobRoutes) -> str:
    """The next on a ring from the job's place: when one comes or goes, few jobs move."""
    ring = sorted((_place(f"{each}#{node}"), each) for each in candidates for node in range(VIRTUAL_NODES))
    at = bisect_left(ring, (_place(str(job_id)), ""))
    return ring[at % len(ring)][1]


def least_frequently_used(_job_id: int, candidates: Sequence[str], routes: JobRoutes) -> str:
    """The one that got the fewest triggers of the job."""
    return min(candidates, key=lambda each: routes.uses.get(each, 0))


def least_recently_used(_job_id: int, candidates: Sequence[str], routes: JobRoutes) -> str:
    """The one whose last trigger of the job is the oldest; one that got none comes first."""
    return min(candidates, key=lambda each: routes.last.get(each, 0))


def busyover(_job_id: int, candidates: Sequence[str], routes: JobRoutes) -> str:
    """The first on which the job neither runs nor waits; the first of all if it does so everywhere."""
    return next((each for each in candidates if each not in routes.busy), candidates[0])


ROUTES: dict[str, Route] = {
    RouteStrategy.FIRST: first,
    RouteStrategy.LAST: last,
    RouteStrategy.ROUND: round_robin,
    RouteStrategy.RANDOM: by_chance,
    RouteStrategy.CONSISTENT_HASH: consistent_hash,
    RouteStrategy.LEAST_FREQUENTLY_USED: least_frequently_used,
    RouteStrategy.LEAST_RECENTLY_USED: least_recently_used,
    # who does not beat is no candidate, so the first that beats is the first
    RouteStrategy.FAILOVER: first,
    RouteStrategy.BUSYOVER: busyover,
    # a shard that is tried again: it is pinned to nobody, and keeps to its place among the executors
    RouteStrategy.SHARDING_BROADCAST: round_robin,
}
"""By the strategy's stored word; ANY is not routed."""


def choose(strategy: str, job_id: int, candidates: Sequence[str], routes: JobRoutes) -> str:
    """The executor for one trigger; `strategy` is one of `ROUTES`."""
    return ROUTES[strategy](job_id, candidates, routes)


def _place(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
