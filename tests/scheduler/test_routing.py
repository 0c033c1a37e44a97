from __future__ import annotations

import pytest

from baton.vocabulary import RouteStrategy
from scheduler.routing import ROUTES, choose


@pytest.mark.parametrize("strategy", list(RouteStrategy))
def test_every_route_strategy_has_its_function(strategy: RouteStrategy) -> None:
    assert strategy.value in ROUTES


@pytest.mark.parametrize("executors", [(), ("e1",), ("e1", "e2")])
def test_any_executor_takes_from_the_shared_lane_of_the_job(executors: tuple[str, ...]) -> None:
    assert choose("ANY", 17, executors) == "17"
