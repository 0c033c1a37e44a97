"""A small healthy installation: a lane with a run under way and two that wait, and an executor that beats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from baton.broker.client import connect
from baton.broker.consumer import Claimed
from baton.scanner.look import Report, look
from baton.store.engine import make_engine
from tests.scheduler.world import GROUP, Executor, World

AFTER_S = 31.0
"""From one look to the next: a little longer than the grace."""


@dataclass
class Patient:
    """The installation, and the scanner that looks at it."""

    world: World
    group_id: int
    job_id: int
    running: int
    waiting: int
    executor: Executor
    claimed: Claimed
    monkeypatch: pytest.MonkeyPatch

    def key(self, name: str) -> str:
        return f"baton:{{{GROUP}}}:{name}"

    def look(self) -> Report:
        return look(self.world.engine, self.world.redis, by_whom="a test", clock=self.world.clock)

    def look_again(self) -> Report:
        """After a while in which the executor goes on beating."""
        self.world.clock.advance(AFTER_S)
        self.executor.beat()
        return self.look()

    def found(self) -> set[tuple[str, str]]:
        """What two looks confirm: check and subject."""
        self.look()
        return {(each.check_name, each.subject) for each in self.look_again().findings}


@pytest.fixture
def database() -> str:
    """A test may ask for `postgresql` by this parameter."""
    return "sqlite"


@pytest.fixture
def patient(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, database: str, one_redis_url: str
) -> Iterator[Patient]:
    """Well, as it is."""
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[database])
    engine = make_engine(url)
    with connect(one_redis_url) as client:
        client.flushall()
    world = World(engine, one_redis_url)
    group_id = world.group()
    job_id = world.job(group_id, trigger_status=0, schedule_type="NONE")
    log_ids = [world.row(job_id) for _ in range(3)]
    world.pusher().push_pending()
    executor = world.executor()
    (claimed,) = executor.claim(1)
    world.clock.advance(10)
    yield Patient(world, group_id, job_id, log_ids[0], log_ids[1], executor, claimed, monkeypatch)
    world.close()
    engine.dispose()
