"""An application for each test. `site` runs on both databases, `plain_site` on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from .site import Browser, Site


@pytest.fixture
def site(engine: Engine, one_redis_url: str) -> Iterator[Site]:
    """The dashboard on SQLite, then on PostgreSQL."""
    site = Site(engine, one_redis_url)
    yield site
    site.close()


@pytest.fixture
def make_site(sqlite_engine: Engine, one_redis_url: str) -> Iterator[Callable[..., Site]]:
    """Builds the dashboard with other options."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(sqlite_engine, one_redis_url, options))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def plain_site(make_site: Callable[..., Site]) -> Site:
    """The dashboard on SQLite: for what does not depend on the database."""
    return make_site()


@pytest.fixture
def ana(plain_site: Site) -> Browser:
    """Somebody who is signed in to `plain_site`."""
    return plain_site.person()


@pytest.fixture
def away(sqlite_engine: Engine) -> Iterator[Site]:
    """A dashboard whose Redis is not there."""
    site = Site(sqlite_engine, "redis://127.0.0.1:1")
    yield site
    site.close()
