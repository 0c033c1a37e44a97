"""Child jobs: triggered once by each success of their parent."""

from __future__ import annotations

import threading

import pytest

from baton.children import find_cycle, read_ids
from baton.errors import InputError
from baton.store.models import Job
from baton.vocabulary import Outcome
from tests.scheduler.world import World

from .test_apply import apply, entry, settled


def family(world: World, **fields) -> tuple[int, int]:
    """A parent and its child."""
    group = world.group()
    child = world.job(group, executor_handler="child", executor_param="its own")
    return world.job(group, child_job_ids=str(child), **fields), child


def test_a_success_triggers_the_child_once_however_often_it_is_told(world: World) -> None:
    parent, child = family(world)
    log_id = world.row(parent, trigger_code=200)

    for _ in range(2):
        apply(world, entry(settled(log_id)))

    (row,) = world.logs(child)
    assert (row["trigger_key"], row["trigger_type"]) == (f"parent:{log_id}", "PARENT")
    assert row["parent_log_id"] == log_id
    assert (row["executor_handler"], row["executor_param"], row["trigger_code"]) == ("child", "its own", 0)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.KILLED, Outcome.TIMED_OUT])
def test_no_other_ending_triggers_the_child(world: World, outcome: Outcome) -> None:
    parent, child = family(world)

    apply(world, entry(settled(world.row(parent, trigger_code=200), outcome)))

    assert world.logs(child) == []


def test_a_success_by_retry_triggers_the_child(world: World) -> None:
    parent, child = family(world, executor_fail_retry_count=1)
    apply(world, entry(settled(world.row(parent, trigger_code=200), Outcome.FAILED)))
    assert world.logs(child) == []
    retry = world.logs(parent)[1]["id"]

    apply(world, entry(settled(retry, attempt=2)))

    assert [row["trigger_key"] for row in world.logs(child)] == [f"parent:{retry}"]


def test_a_child_that_is_gone_is_noted_and_harms_nobody(world: World) -> None:
    parent, child = family(world)
    world.remove(Job, child)
    log_id = world.row(parent, trigger_code=200)

    apply(world, entry(settled(log_id)))

    row = world.log(log_id)
    assert row["outcome"] == "succeeded"
    assert f"child job {child} was not triggered: there is no such job" in row["handle_msg"]


def shards(world: World, parent: int, total: int = 3) -> list[int]:
    return [
        world.row(parent, trigger_key="cron:1", shard_index=n, shard_total=total, trigger_code=200)
        for n in range(total)
    ]


def test_a_broadcast_triggers_the_child_when_its_last_shard_has_succeeded(world: World) -> None:
    parent, child = family(world, executor_fail_retry_count=1)
    first, second, third = shards(world, parent)

    apply(world, entry(settled(second), settled(third, Outcome.FAILED)))
    apply(world, entry(settled(first)))
    assert world.logs(child) == [], "one shard has failed"
    retry = world.logs(parent)[-1]
    assert (retry["shard_index"], retry["shard_total"], retry["is_pinned"]) == (2, 3, False)
    apply(world, entry(settled(retry["id"], attempt=2)))

    assert [row["trigger_key"] for row in world.logs(child)] == [f"parent:{first}"]


def test_shards_that_end_at_the_same_moment_trigger_the_child_once(world: World) -> None:
    parent, child = family(world)
    log_ids = shards(world, parent, 6)
    barrier = threading.Barrier(2)

    def consume(mine: list[int]) -> None:
        barrier.wait()
        for log_id in mine:
            apply(world, entry(settled(log_id)))

    threads = [threading.Thread(target=consume, args=(log_ids[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [row["trigger_key"] for row in world.logs(child)] == [f"parent:{log_ids[0]}"]


@pytest.mark.parametrize(
    ("children_of", "way"),
    [
        ({}, ()),
        ({1: (2,), 2: (3,)}, ()),
        ({1: (1,)}, (1, 1)),
        ({1: (2, 3), 3: (4,), 4: (1,)}, (1, 3, 4, 1)),
        ({2: (3,), 3: (2,), 1: (2,)}, ()),
    ],
)
def test_a_cycle_is_found_with_the_way_round(children_of, way) -> None:
    assert find_cycle(children_of, 1) == way


@pytest.mark.parametrize(("text", "ids"), [("", ()), ("12", (12,)), (" 12, 15,12", (12, 15))])
def test_ids_are_read_as_xxl_job_writes_them(text, ids) -> None:
    assert read_ids(text) == ids


@pytest.mark.parametrize("text", ["a", "1;2", "-1", "1,,2", "9" * 19])
def test_what_is_no_list_of_ids_is_refused(text) -> None:
    with pytest.raises(InputError, match="ids with commas between"):
        read_ids(text)
