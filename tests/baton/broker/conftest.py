from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from baton.broker import recovery
from baton.broker.client import connect_blocking

from .group import GROUP, Group


@pytest.fixture
def group(redis_client: Redis, redis_url: str) -> Iterator[Group]:
    blocking = connect_blocking(redis_url)
    recovery.open_group(redis_client, GROUP)
    yield Group(redis_client, blocking)
    blocking.close()
