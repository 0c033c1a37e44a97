from __future__ import annotations

import re

import pytest
from sqlalchemy.exc import OperationalError

from baton.broker import presence
from baton.store import alarms
from baton.vocabulary import Ending
from scheduler.watcher import LostExecutor, Watcher

from .world import GROUP, Executor, World


def a_watcher(world: World) -> Watcher:
    return Watcher(world.engine, world.redis, dead_after_s=12.0, clock=world.clock)


def look_for(world: World, watcher: Watcher, seconds: int, *beating: Executor) -> list[LostExecutor]:
    """Look once a second; `beating` executors beat before each look."""
    lost = []
    for _ in range(seconds):
        for executor in beating:
            executor.beat()
        world.clock.advance(1)
        lost += watcher.watch(GROUP)
    return lost


def running(world: World, **fields: object) -> tuple[Executor, int]:
    """An executor that beat once and runs one job."""
    log_id = world.row(world.job(world.group(), **fields))
    world.pusher().push_pending()
    executor = world.executor("e1")
    executor.beat()
    executor.claim()
    return executor, log_id


def test_an_executor_is_dead_after_twelve_seconds_of_silence(world: World) -> None:
    _, log_id = running(world)
    watcher = a_watcher(world)

    assert look_for(world, watcher, 12) == []
    assert look_for(world, watcher, 1) == [LostExecutor(GROUP, "e1", ((log_id, Ending.LOST),))]
    assert presence.beats(world.redis, GROUP) == {}
    assert world.reported() == [f"lost:{log_id}"]


def test_the_row_of_a_lost_run_has_the_evidence(world: World) -> None:
    """Which executor, how long it had the run, how long it was silent, who noticed."""
    running(world)
    watcher = Watcher(world.engine, world.redis, dead_after_s=12.0, host="here", clock=world.clock)

    look_for(world, watcher, 13)

    [entry] = world.entries()
    assert re.fullmatch(
        r"executor lost: e1 stopped beating while it ran this; it had it for \d+\.\d s, "
        r"its last beat was at least 12\.0 s old, noticed by the watcher on here",
        entry.items[0].reason,
    )
    assert entry.items[0].executor == "e1"


def test_a_lost_run_goes_back_to_its_lane_where_the_job_says_so(world: World) -> None:
    _, log_id = running(world, on_lost="RERUN")

    [lost] = look_for(world, a_watcher(world), 13)

    assert lost.endings == ((log_id, Ending.RERUN),)
    [again] = world.executor("e2").claim()
    assert (again.log_id, again.attempt) == (log_id, 2)


def test_an_executor_that_beats_lives_beside_one_that_does_not(world: World) -> None:
    world.group()
    living, dead = world.executor("living"), world.executor("dead")
    dead.beat()

    lost = look_for(world, a_watcher(world), 30, living)

    assert [each.executor_id for each in lost] == ["dead"]


def test_one_late_beat_starts_the_wait_anew(world: World) -> None:
    executor, _ = running(world)
    watcher = a_watcher(world)

    assert look_for(world, watcher, 12) == []
    executor.beat()
    assert look_for(world, watcher, 12) == []
    assert len(look_for(world, watcher, 2)) == 1


def test_time_nobody_looked_kills_nobody(world: World) -> None:
    executor, _ = running(world)
    watcher = a_watcher(world)
    look_for(world, watcher, 5)

    world.clock.advance(600)  # Redis, the network or this process stood still

    assert watcher.watch(GROUP) == []
    executor.beat()
    assert look_for(world, watcher, 5) == []


def test_a_silence_must_have_been_seen_three_times(world: World) -> None:
    running(world)
    watcher = Watcher(world.engine, world.redis, dead_after_s=1.0, clock=world.clock)

    assert look_for(world, watcher, 3) == []
    assert len(look_for(world, watcher, 1)) == 1


def test_a_jump_of_the_wall_clock_means_nothing(world: World) -> None:
    running(world)
    watcher = a_watcher(world)
    look_for(world, watcher, 2)

    world.clock.jump(3600)
    assert watcher.watch(GROUP) == []
    world.clock.jump(-7200)
    assert watcher.watch(GROUP) == []


def test_a_new_observer_waits_its_own_twelve_seconds(world: World) -> None:
    running(world)
    look_for(world, a_watcher(world), 11)

    assert look_for(world, a_watcher(world), 12) == []


def test_an_executor_that_beats_at_the_last_moment_keeps_its_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, _ = running(world)
    watcher = a_watcher(world)
    look_for(world, watcher, 12)
    stale = presence.beats(world.redis, GROUP)
    executor.beat()
    world.clock.advance(1)

    with monkeypatch.context() as patched:
        patched.setattr(presence, "beats", lambda *_: stale)
        assert watcher.watch(GROUP) == []

    assert world.reported() == []
    assert look_for(world, watcher, 10, executor) == []


def test_two_observers_take_back_each_run_once(world: World) -> None:
    _, log_id = running(world)
    first, second = a_watcher(world), a_watcher(world)
    lost = []
    for _ in range(15):
        world.clock.advance(1)
        lost += first.watch(GROUP) + second.watch(GROUP)

    assert len(lost) == 1
    assert world.reported() == [f"lost:{log_id}"]


def test_more_runs_than_one_call_takes_back_are_all_taken_back(world: World) -> None:
    group = world.group()
    log_ids = {world.row(world.job(group)) for _ in range(130)}
    world.pusher().push_pending()
    executor = world.executor("e1")
    executor.beat()
    executor.claim()
    executor.claim()

    [lost] = look_for(world, a_watcher(world), 13)

    assert {log_id for log_id, _ in lost.endings} == log_ids


def test_an_executor_that_left_is_forgotten(world: World) -> None:
    executor, _ = running(world)
    executor.settle(executor.claimed)
    watcher = a_watcher(world)
    look_for(world, watcher, 5)
    executor.leave()

    assert look_for(world, watcher, 20) == []


def test_the_step_looks_at_every_group(world: World) -> None:
    for app_name in ("one", "two"):
        world.group(app_name)
        world.executor("e", app_name).beat()
    watcher = a_watcher(world)
    for _ in range(14):
        world.clock.advance(1)
        assert watcher.step() == 1.0

    assert [presence.beats(world.redis, app_name) for app_name in ("one", "two")] == [{}, {}]


def test_people_are_told_of_a_lost_executor_though_the_database_went_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(world)
    watcher = a_watcher(world)

    def away(*_: object) -> None:
        raise OperationalError("insert", {}, Exception("the database is away"))

    with monkeypatch.context() as patch:
        patch.setattr(alarms, "raise_alarms", away)
        with pytest.raises(OperationalError):
            look_for(world, watcher, 13)
    assert presence.beats(world.redis, GROUP) == {}, "the next look finds nobody who is silent"
    for _ in range(2):
        watcher.step()

    with world.engine.connect() as connection:
        assert [each.condition for each in alarms.list_page(connection)] == ["EXECUTOR_LOST"]
