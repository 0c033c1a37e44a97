"""What ended rows add to the series."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from baton import meters
from baton.broker.results import Results
from baton.vocabulary import Outcome

from ..scheduler.world import GROUP, World
from .test_consumer import a_consumer, settled_runs


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    meters.take()


def counted(*names: str) -> dict[str, int]:
    """What was counted of these series."""
    return {name: times for name, times in meters.take().items() if name.split("|")[0] in names}


def test_each_ending_counts_once_by_group_and_outcome(world: World) -> None:
    group_id = world.group()
    for _ in range(4):
        world.row(world.job(group_id))
    world.pusher().push_pending()
    executor = world.executor()
    first, *others = executor.claim()
    executor.settle([first], Outcome.FAILED)
    executor.settle(others)

    consumer = a_consumer(world)
    consumer.step()
    consumer.step()

    assert counted("baton_runs_total") == {
        f"baton_runs_total|{GROUP}|succeeded": 3, f"baton_runs_total|{GROUP}|failed": 1,
    }  # fmt: skip


def test_a_batch_that_redis_did_not_let_acknowledge_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_runs(world, runs=2)
    consumer = a_consumer(world)
    with monkeypatch.context() as patch:

        def away(*_arguments: object) -> None:
            raise RedisConnectionError("away")

        patch.setattr(Results, "acknowledge", away)
        with pytest.raises(RedisConnectionError):
            consumer.step()
    consumer.step()

    assert counted("baton_runs_total", "baton_callbacks_total") == {
        f"baton_runs_total|{GROUP}|succeeded": 2,
        "baton_callbacks_total|applied": 2,
        "baton_callbacks_total|repeated": 2,
    }


def test_retries_count_as_what_follows(world: World) -> None:
    settled_runs(world, outcome=Outcome.FAILED, executor_fail_retry_count=1)

    a_consumer(world).step()

    assert counted("baton_followups_total") == {"baton_followups_total": 1}


def test_waits_are_counted_from_the_moment_a_run_might_have_been_pushed(world: World) -> None:
    now_ms = world.clock.wall_ms
    # its executor says that it began now, and ended a millisecond later
    settled_runs(world, trigger_time=now_ms - 60_000, not_before=now_ms - 4_000)

    a_consumer(world).step()

    found = counted("baton_queue_wait_seconds", "baton_run_duration_seconds")
    assert found[f"baton_queue_wait_seconds|{GROUP}|5"] == 1
    assert found[f"baton_queue_wait_seconds|{GROUP}|sum"] == 4_000_000
    assert found[f"baton_run_duration_seconds|{GROUP}|sum"] == 1_000
