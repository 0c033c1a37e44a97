"""Runs that should have begun are told of while they wait; what has ended unseen is not taken for waiting."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from baton.broker import recovery
from baton.store.models import Alarm
from baton.vocabulary import Outcome
from scheduler.late_watch import LateWatch

from .world import GROUP, World

LIMIT_S = 300


@pytest.fixture
def late_world(world: World) -> World:
    """With the clock of Redis: leases say since when they are there."""
    world.clock.wall_ms = round(time.time() * 1000)
    return world


def watch(world: World) -> LateWatch:
    return LateWatch(world.engine, world.redis, late_after_s=LIMIT_S, clock=world.clock)


def told(world: World) -> list[tuple[str, str]]:
    with world.engine.connect() as connection:
        rows = connection.execute(select(Alarm.alarm_key, Alarm.text).order_by(Alarm.id))
        return [(row.alarm_key, row.text) for row in rows]


def test_a_run_that_waits_too_long_is_told_once(late_world: World) -> None:
    world = late_world
    job_id = world.job(world.group())
    pending = world.row(job_id, fire_at=world.clock.wall_ms)
    pushed = world.row(
        world.job(world.log(pending)["group_id"], late_after_s=400), fire_at=world.clock.wall_ms
    )
    world.pusher().step()
    looks = [watch(world), watch(world)]
    world.clock.advance(LIMIT_S)
    for each in (*looks, *looks):
        each.step()
    assert told(world) == []

    world.clock.advance(1)
    for each in (*looks, *looks):
        each.step()
    assert told(world) == [(f"late:{pending}", f"it has waited {LIMIT_S + 1} s")]

    world.clock.advance(100)
    for each in (*looks, *looks):
        each.step()

    assert [key for key, _ in told(world)] == [f"late:{pending}", f"late:{pushed}"]


def test_one_that_began_in_time_is_left_alone_however_long_it_runs(late_world: World) -> None:
    world = late_world
    world.row(world.job(world.group()), fire_at=world.clock.wall_ms)
    world.pusher().step()
    executor = world.executor()
    assert executor.claim()
    world.clock.advance(10 * LIMIT_S)
    late_watch = watch(world)

    for _ in range(3):
        late_watch.step()

    assert told(world) == []


def test_one_that_began_late_is_told_while_it_runs(late_world: World) -> None:
    world = late_world
    log_id = world.row(world.job(world.group()), fire_at=world.clock.wall_ms - 400_000)
    world.pusher().step()
    assert world.executor().claim()

    watch(world).step()

    [(key, text)] = told(world)
    assert key == f"late:{log_id}"
    assert text.startswith("it began 40")


def test_a_result_that_waits_to_be_applied_is_no_run_that_waits(late_world: World) -> None:
    world = late_world
    world.row(world.job(world.group()), fire_at=world.clock.wall_ms)
    world.pusher().step()
    executor = world.executor()
    executor.settle(executor.claim(), Outcome.SUCCEEDED)
    world.clock.advance(10 * LIMIT_S)
    late_watch = watch(world)

    for _ in range(4):  # the callbacks process is away
        late_watch.step()

    assert told(world) == []


def test_while_executors_name_their_runs_nobody_is_late(late_world: World) -> None:
    world = late_world
    world.row(world.job(world.group()), fire_at=world.clock.wall_ms)
    world.pusher().step()
    world.clock.advance(10 * LIMIT_S)
    late_watch = watch(world)
    late_watch.step()
    world.redis.flushall()

    late_watch.step()
    assert told(world) == []
    recovery.open_group(world.redis, GROUP)
    late_watch.step()
    assert told(world) == [], "what was seen before the loss proves nothing"
    late_watch.step()

    assert len(told(world)) == 1
