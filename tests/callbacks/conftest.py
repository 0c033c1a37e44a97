"""The world fixture: on either database, each with another Redis where both are there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import Engine

from ..conftest import REDIS_PROGRAMS, RedisServers
from ..scheduler.world import World


@pytest.fixture
def world(engine: Engine, redis_servers: RedisServers) -> Iterator[World]:
    """SQLite with the embedded server, PostgreSQL with the installed one, as far as they are there."""
    wanted = "embedded" if engine.dialect.name == "sqlite" else "installed"
    url = redis_servers.url(wanted) if REDIS_PROGRAMS[wanted]() else redis_servers.first_url()
    with Redis.from_url(url) as client:
        client.flushall()
    world = World(engine, url)
    yield world
    world.close()
