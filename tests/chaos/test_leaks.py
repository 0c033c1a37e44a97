"""After hundreds of kills and time-outs of handlers that try to get away, nothing they started is alive."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.worker.leaks import leaked_by
from tests.worker.test_limits import BOTH

KILLS = 500


@pytest.fixture
def redis_url(one_redis_url: str) -> str:
    """What is tried here does not depend on the server."""
    return one_redis_url


@pytest.fixture
def redis_client(one_redis: Redis) -> Redis:
    """The same server."""
    return one_redis


def test_nothing_is_alive_after_hundreds_of_kills_and_time_outs(world, tmp_path):
    world.start(BATON_HANDLERS=BOTH, BATON_CONCURRENCY="8", BATON_KILL_GRACE_S="0.3")

    leaked = leaked_by(world, tmp_path, KILLS, seed=20_261_121)

    print(f"\n{len(world.ended)} runs ended by force, {len(leaked)} processes alive")
    assert leaked == []
