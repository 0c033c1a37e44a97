"""Each route strategy against its definition."""

from __future__ import annotations

from collections import Counter

import pytest

from baton.broker.routes import JobRoutes
from baton.vocabulary import RouteStrategy
from scheduler.routing import ROUTES, choose

THREE = ("a", "b", "c")


def sent(strategy: str, times: int, *, job_id: int = 7, candidates=THREE, routes: JobRoutes | None = None):
    """Where so many triggers of one job go, one after the other."""
    routes = routes or JobRoutes()
    chosen = []
    for _ in range(times):
        chosen.append(choose(strategy, job_id, candidates, routes))
        routes.note(chosen[-1])
    return chosen


@pytest.mark.parametrize("strategy", sorted(set(RouteStrategy) - {RouteStrategy.ANY}))
def test_every_route_strategy_has_its_function_and_never_names_a_stranger(strategy: RouteStrategy) -> None:
    assert strategy.value in ROUTES
    for candidates in (("only",), THREE):
        assert set(sent(strategy, 20, candidates=candidates)) <= set(candidates)


def test_first_last_and_failover_stay_where_they_are() -> None:
    assert set(sent("FIRST", 10)) == {"a"}
    assert set(sent("LAST", 10)) == {"c"}
    assert set(sent("FAILOVER", 10)) == {"a"}
    assert set(sent("FAILOVER", 10, candidates=("b", "c"))) == {"b"}, "the first is dead"


def test_round_goes_through_all_of_them_in_turn() -> None:
    chosen = sent("ROUND", 9)

    assert sorted(chosen[:3]) == ["a", "b", "c"]
    assert chosen[:3] * 3 == chosen
    begins = {sent("ROUND", 1, job_id=job_id)[0] for job_id in range(3)}
    assert begins == set(THREE), "jobs begin at different ones"


def test_random_reaches_all_of_them_about_equally() -> None:
    counts = Counter(sent("RANDOM", 3000))

    assert set(counts) == set(THREE)
    assert min(counts.values()) > 800


def test_consistent_hash_keeps_a_job_at_its_executor_and_spreads_jobs() -> None:
    before = {job_id: sent("CONSISTENT_HASH", 2, job_id=job_id) for job_id in range(300)}
    after = {
        job_id: sent("CONSISTENT_HASH", 1, job_id=job_id, candidates=("a", "b", "c", "d"))[0]
        for job_id in before
    }

    assert all(len(set(chosen)) == 1 for chosen in before.values())
    assert min(Counter(chosen[0] for chosen in before.values()).values()) > 50
    moved = [job_id for job_id in before if after[job_id] != before[job_id][0]]
    assert all(after[job_id] == "d" for job_id in moved), "who moves, moves to the one that came"
    assert 30 < len(moved) < 130


def test_least_frequently_used_evens_the_counts_out() -> None:
    routes = JobRoutes(turns=9, uses={"a": 5, "b": 3, "c": 1})

    assert sent("LEAST_FREQUENTLY_USED", 2, routes=routes) == ["c", "c"]
    sent("LEAST_FREQUENTLY_USED", 4, routes=routes)
    assert routes.uses == {"a": 5, "b": 5, "c": 5}


def test_least_recently_used_takes_the_one_that_waited_longest() -> None:
    routes = JobRoutes(turns=3, last={"a": 3, "b": 1, "c": 2})

    assert sent("LEAST_RECENTLY_USED", 4, routes=routes) == ["b", "c", "a", "b"]
    assert sent("LEAST_RECENTLY_USED", 1, candidates=("a", "b", "c", "new"), routes=routes) == ["new"]


def test_busyover_goes_to_the_first_that_is_idle_for_the_job() -> None:
    assert sent("BUSYOVER", 3) == ["a", "b", "c"]
    assert sent("BUSYOVER", 1, routes=JobRoutes(busy={"a"})) == ["b"]
    assert sent("BUSYOVER", 1, routes=JobRoutes(busy=set(THREE))) == ["a"], "busy everywhere"
