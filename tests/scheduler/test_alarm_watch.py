"""What no ending tells of is noticed once, by however many schedulers."""

from __future__ import annotations

from sqlalchemy import select

from baton.broker import presence
from baton.broker.keys import GroupKeys
from baton.store import failed_callbacks
from baton.store.models import Alarm
from scheduler.alarm_watch import AlarmWatch, executor_lost

from .world import GROUP, World

AFTER_S = 60


def watches(world: World) -> list[AlarmWatch]:
    return [
        AlarmWatch(world.engine, world.redis, no_executor_after_s=AFTER_S, clock=world.clock)
        for _ in range(2)
    ]


def told(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(Alarm.condition).order_by(Alarm.id)).scalars())


def look(watching: list[AlarmWatch], times: int = 2) -> None:
    for _ in range(times):
        for each in watching:
            each.step()


def test_runs_that_wait_where_nobody_listens_are_told_once_and_their_end_too(world: World) -> None:
    world.row(world.job(world.group()))
    watching = watches(world)
    look(watching)
    world.clock.advance(AFTER_S - 1)
    look(watching)
    assert told(world) == []

    world.clock.advance(1)
    look(watching)
    world.clock.advance(3600)
    look([*watching, *watches(world)])
    assert told(world) == ["NO_EXECUTOR"]

    world.executor().beat()
    look(watching)
    assert told(world) == ["NO_EXECUTOR", "RECOVERED"]


def test_a_group_without_executors_and_without_work_needs_nobody(world: World) -> None:
    world.group()
    watching = watches(world)
    look(watching)
    world.clock.advance(10 * AFTER_S)
    look(watching)

    assert told(world) == []


def test_a_desertion_that_ended_in_time_counts_anew(world: World) -> None:
    world.row(world.job(world.group()))
    watching = watches(world)
    look(watching)
    world.clock.advance(AFTER_S - 1)
    executor = world.executor()
    executor.beat()
    look(watching)
    executor.leave()
    world.clock.advance(AFTER_S - 1)
    look(watching)
    world.clock.advance(AFTER_S - 1)
    look(watching)

    assert told(world) == []


def test_a_spool_in_need_is_told_once_an_hour(world: World) -> None:
    world.group()
    world.executor().beat()
    [info] = presence.executors(world.redis, GROUP)
    full = {f: getattr(info, f) for f in info.__slots__} | {"spool_state": "full"}
    key = GroupKeys(GROUP).named("executors")
    world.redis.hset(key, info.executor_id, presence.ExecutorInfo(**full).to_bytes())

    look(watches(world))
    look(watches(world))  # schedulers that began later
    assert told(world) == ["SPOOL_FULL"]
    world.clock.advance(3600)
    look(watches(world))

    assert told(world) == ["SPOOL_FULL"] * 2


def test_results_that_wait_for_a_person_are_told_once(world: World) -> None:
    world.group()
    for entry in ("1-0", "2-0"):
        with world.engine.begin() as connection:
            failed_callbacks.keep(
                connection, app_name=GROUP, entry_id=entry, field="settled:1", log_id=1, payload=b"x",
                reason="why", now_ms=world.clock.now_ms(),
            )  # fmt: skip
        look(watches(world))

    assert told(world) == ["RESULT_KEPT"]


def test_a_lost_executor_is_told_once_and_of_no_unknown_group(world: World) -> None:
    world.group()
    for _ in range(2):
        executor_lost(world.engine, GROUP, "e1", "it stopped beating", 5)
    executor_lost(world.engine, "nobody", "e1", "it stopped beating", 5)

    assert told(world) == ["EXECUTOR_LOST"]
