"""`whole_baton(workers=2, callbacks=1, …)`: an installation of real processes for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REDIS_PROGRAMS, missing

from .baton import Baton


@pytest.fixture
def whole_baton(
    request: pytest.FixtureRequest, tmp_path: Path, own_redis: Callable[..., object]
) -> Iterator[Callable[..., Baton]]:
    """Makes installations: `whole_baton(database="postgresql", redis="installed", workers=4)`.

    By default one process of each role, on SQLite and the embedded Redis. `database` may be the address of
    a server that belongs to the test. Settings may be given by
    name (`BATON_KILL_GRACE_S="2"`). `is_open=False`: no test said that nobody can run anything yet, so
    the scheduler waits as long as an executor might need to name its runs.
    """
    made: list[Baton] = []

    def make(
        *,
        database: str = "sqlite",
        redis: str = "embedded",
        schedulers: int = 1,
        workers: int = 1,
        callbacks: int = 1,
        is_open: bool = True,
        **environ: str,
    ) -> Baton:
        program = REDIS_PROGRAMS[redis]()
        if program is None:
            missing(f"the {redis} redis-server")
        if "://" in database:
            database_url = database
        else:
            database_url = request.getfixturevalue(
                {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[database]
            )
        baton = Baton(
            tmp_path, lambda: own_redis("redis", program=program), database_url, is_open=is_open, **environ
        )
        made.append(baton)
        baton.start(schedulers=schedulers, workers=workers, callbacks=callbacks)
        return baton

    yield make
    for baton in made:
        baton.clean_up()
