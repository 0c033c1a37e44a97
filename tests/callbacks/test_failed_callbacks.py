from __future__ import annotations

import pytest

from baton.broker.results import Results
from baton.envelope import group_key
from baton.store.engine import write
from callbacks.apply import apply_batch
from callbacks.failed_callbacks import replay

from ..factories import ACCESS_TOKEN
from ..scheduler.world import GROUP, World, callback


def apply_all(world: World) -> None:
    results = Results(world.redis, world.blocking, "a test")
    entries = results.read([GROUP], count=100, block_ms=1)
    with write(world.engine) as connection:
        apply_batch(connection, entries, lambda name: group_key(ACCESS_TOKEN, name), 5)
    results.acknowledge(entries)


@pytest.fixture
def results(world: World) -> Results:
    return Results(world.redis, world.blocking, "a replay")


def test_a_replayed_result_is_applied_when_its_row_is_there_now(world: World, results: Results) -> None:
    job = world.job(world.group())
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()
    world.row(job, id=77, trigger_code=200)

    assert replay(world.engine, results, kept["id"])
    apply_all(world)

    assert world.log(77)["outcome"] == "succeeded"
    assert world.failed_callbacks() == []


def test_a_replayed_result_that_still_fails_is_kept_again(world: World, results: Results) -> None:
    world.group()
    results.append(GROUP, {"settled:77": callback(77)})
    apply_all(world)
    [kept] = world.failed_callbacks()

    replay(world.engine, results, kept["id"])
    apply_all(world)

    [again] = world.failed_callbacks()
    assert (again["field"], again["payload"], again["reason"]) == (
        "settled:77", callback(77), "log item not found.",
    )  # fmt: skip


def test_replaying_what_is_not_kept_answers_so(world: World, results: Results) -> None:
    assert not replay(world.engine, results, 1)
