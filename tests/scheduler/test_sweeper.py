from __future__ import annotations

import pytest

from baton import telemetry
from baton.broker import recovery
from baton.broker.results import Results
from baton.store.models import JobLog
from baton.vocabulary import Ending, Outcome
from scheduler import sweeper
from scheduler.sweeper import Sweeper

from .world import GROUP, World, callback


def a_sweeper(world: World) -> Sweeper:
    return Sweeper(
        world.engine,
        world.redis,
        world.pusher(),
        on_opened=lambda: world.calls.append("opened"),
        sweep_interval_s=5.0,
        reassert_window_s=6.0,
        clock=world.clock,
    )


def sweep(world: World, mine: Sweeper, times: int = 1) -> None:
    """Sweep, each time with the confirming pass that follows."""
    for _ in range(times):
        mine.sweep(GROUP)
        mine.sweep(GROUP, look=False)


def queued(world: World, runs: int = 1, **fields: object) -> tuple[int, list[int]]:
    """A job and its queued rows, old enough to be looked at."""
    job = world.job(world.group(), **fields)
    log_ids = [world.row(job) for _ in range(runs)]
    world.pusher().push_pending()
    world.clock.advance(60)
    return job, log_ids


def lose_everything(world: World) -> None:
    world.redis.flushall()
    recovery.open_group(world.redis, GROUP)


# opening


def test_a_new_group_is_opened_at_once(world: World) -> None:
    world.group(is_open=False)

    assert a_sweeper(world).step() > 0
    assert recovery.is_open(world.redis, GROUP)
    assert world.calls == ["opened"]


def test_rows_that_are_younger_than_the_closing_hold_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.row(world.job(world.group(is_open=False)), trigger_time=world.clock.now_ms())
    monkeypatch.setattr(recovery, "opening_age_s", lambda *_: 0.5)

    a_sweeper(world).step()

    assert recovery.is_open(world.redis, GROUP)


def test_a_row_that_was_pushed_but_not_marked_before_redis_lost_it_may_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The push was the last thing Redis knew; an executor may have the run all the same."""
    world.row(world.job(world.group(is_open=False)), trigger_time=world.clock.now_ms() - 1000)
    monkeypatch.setattr(recovery, "opening_age_s", lambda *_: 0.5)

    assert a_sweeper(world).step() == sweeper.CLOSED_WAIT_S
    assert not recovery.is_open(world.redis, GROUP)


def test_a_group_that_may_have_runs_stays_closed_until_executors_could_name_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _ = queued(world)
    world.redis.flushall()
    mine = a_sweeper(world)

    monkeypatch.setattr(recovery, "opening_age_s", lambda *_: 5.9)
    assert mine.step() == sweeper.CLOSED_WAIT_S
    assert not recovery.is_open(world.redis, GROUP)

    monkeypatch.setattr(recovery, "opening_age_s", lambda *_: 6.0)
    mine.step()
    assert recovery.is_open(world.redis, GROUP)


def test_an_open_group_is_left_open(world: World) -> None:
    world.group()

    a_sweeper(world).step()

    assert world.calls == []


# rows that Redis lost


def test_rows_redis_lost_are_pushed_again_in_their_order(world: World) -> None:
    job, log_ids = queued(world, runs=3)
    lose_everything(world)
    before = telemetry.count("sweep.rebuilt")

    sweep(world, a_sweeper(world))

    assert world.waiting(job) == log_ids
    assert telemetry.count("sweep.rebuilt") == before + 1


def test_rows_redis_still_has_are_not_pushed_again(world: World) -> None:
    job, log_ids = queued(world, runs=3)

    sweep(world, a_sweeper(world), times=3)

    assert world.waiting(job) == log_ids


def test_what_a_living_executor_still_runs_is_not_pushed_again(world: World) -> None:
    job, [runs, waits] = queued(world, runs=2)
    executor = world.executor()
    executor.claim()
    lose_everything(world)
    assert executor.reassert() == set()

    sweep(world, a_sweeper(world), times=3)

    assert world.waiting(job) == [waits]
    assert runs not in world.waiting(job)


def test_a_run_that_ended_after_the_loss_is_not_pushed_again_before_its_result_is_applied(
    world: World,
) -> None:
    job, [log_id] = queued(world)
    executor = world.executor()
    executor.claim()
    lose_everything(world)
    executor.settle(executor.claimed)
    mine = a_sweeper(world)

    sweep(world, mine, times=3)
    assert world.waiting(job) == []

    world.change(JobLog, log_id, outcome="succeeded", handle_code=200, handle_time=1)
    acknowledge_all(world)
    sweep(world, mine)
    assert world.waiting(job) == []


def test_an_old_trigger_that_is_pushed_again_covers_no_newer_one(world: World) -> None:
    job, [old] = queued(world, block_strategy="COVER_EARLY")
    lose_everything(world)
    new = world.row(job)
    world.pusher().push_pending()

    sweep(world, a_sweeper(world))

    assert world.waiting(job) == [new, old]
    assert world.reported() == []


def test_young_rows_are_left_alone(world: World) -> None:
    job = world.job(world.group())
    world.row(job)
    world.pusher().push_pending()
    lose_everything(world)
    mine = a_sweeper(world)

    sweep(world, mine)
    assert world.waiting(job) == []

    world.clock.advance(6)
    sweep(world, mine)
    assert len(world.waiting(job)) == 1


def test_a_run_that_waits_longer_than_redis_remembers_is_not_pushed_twice(world: World) -> None:
    job, log_ids = queued(world)
    recovery.forget(world.redis, GROUP, log_ids)
    world.clock.advance(8 * 86_400)

    sweep(world, a_sweeper(world))

    assert world.waiting(job) == log_ids


def test_a_long_backlog_is_rebuilt_window_by_window_without_a_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "WINDOW_ROWS", 4)
    job, log_ids = queued(world, runs=10)
    lose_everything(world)
    mine = a_sweeper(world)

    waits = [mine.step() for _ in range(8)]

    assert sorted(world.waiting(job)) == log_ids
    assert max(waits[:3]) <= sweeper.CONFIRM_WAIT_S
    assert waits[-1] > sweeper.CONFIRM_WAIT_S


def test_a_restarted_redis_has_the_whole_backlog_looked_through_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "WINDOW_ROWS", 2)
    job, log_ids = queued(world, runs=9)
    mine = a_sweeper(world)
    while mine.step() <= sweeper.CONFIRM_WAIT_S:
        pass
    # the last write did not survive the restart
    recovery.forget(world.redis, GROUP, log_ids[-1:])
    world.redis.rpop(f"baton:{{{GROUP}}}:queue:{job}")
    mine._server = "the server before the restart"
    world.clock.advance(5)

    while mine.step() <= sweeper.CONFIRM_WAIT_S:
        pass

    assert world.waiting(job) == log_ids


# runs adrift


def test_a_run_whose_message_vanished_ends_as_lost_through_the_stream(world: World) -> None:
    job, [log_id] = queued(world)
    world.redis.delete(f"baton:{{{GROUP}}}:queue:{job}")
    mine = a_sweeper(world)

    sweep(world, mine)
    assert world.reported() == []  # once may be a slip of the eye
    sweep(world, mine)

    [entry] = world.entries()
    [item] = entry.items
    assert (item.ending, item.log_id) == (Ending.LOST, log_id)
    assert "lost without a trace" in item.reason


def test_a_run_whose_message_vanished_runs_again_where_its_job_says_so(world: World) -> None:
    job, [log_id] = queued(world, on_lost="RERUN")
    world.redis.delete(f"baton:{{{GROUP}}}:queue:{job}")

    sweep(world, a_sweeper(world), times=2)

    [claimed] = world.executor().claim()
    assert (claimed.log_id, claimed.attempt) == (log_id, 2)
    assert world.reported() == [f"rerun:{log_id}"]


def test_a_lost_run_is_reported_once(world: World) -> None:
    job, [log_id] = queued(world)
    world.redis.delete(f"baton:{{{GROUP}}}:queue:{job}")

    sweep(world, a_sweeper(world), times=6)

    assert world.reported() == [f"lost:{log_id}"]


@pytest.mark.parametrize("state", ["waiting", "leased"])
def test_a_run_that_waits_or_runs_is_never_suspected(world: World, state: str) -> None:
    queued(world)
    if state == "leased":
        world.executor().claim()

    sweep(world, a_sweeper(world), times=4)

    assert world.reported() == []


def test_a_run_whose_result_is_not_applied_yet_is_not_lost(world: World) -> None:
    _, [log_id] = queued(world)
    executor = world.executor()
    executor.claim()
    executor.settle(executor.claimed)

    sweep(world, a_sweeper(world), times=4)

    assert world.reported() == [f"settled:{log_id}"]


def test_a_run_that_ended_while_it_was_suspected_is_left_alone(world: World) -> None:
    job, [log_id] = queued(world)
    world.redis.delete(f"baton:{{{GROUP}}}:queue:{job}")
    mine = a_sweeper(world)
    sweep(world, mine)
    mine.sweep(GROUP)
    world.change(JobLog, log_id, outcome="succeeded", handle_code=200, handle_time=1)

    mine.sweep(GROUP, look=False)

    assert world.reported() == []


# invariant R


def test_a_lane_missing_from_the_ready_set_is_found_and_counted(world: World) -> None:
    queued(world)
    world.redis.delete(f"baton:{{{GROUP}}}:ready")
    before = telemetry.count("sweep.repaired")

    sweep(world, a_sweeper(world))

    assert telemetry.count("sweep.repaired") == before + 1
    assert len(world.executor().claim()) == 1


def test_nothing_is_repaired_when_nothing_is_wrong(world: World) -> None:
    job, _ = queued(world, runs=3)
    group = world.look(JobLog, world.logs(job)[0]["id"])["group_id"]
    world.row(world.job(group))
    world.executor().claim(1)
    before = telemetry.count("sweep.repaired")

    sweep(world, a_sweeper(world), times=2)

    assert telemetry.count("sweep.repaired") == before


# the step


def test_the_step_rests_until_the_next_sweep(world: World) -> None:
    world.group()
    mine = a_sweeper(world)

    assert mine.step() == pytest.approx(5.0)
    world.clock.advance(2)
    assert mine.step() == pytest.approx(3.0)


def test_two_sweepers_push_a_lost_row_once(world: World) -> None:
    job, log_ids = queued(world, runs=2)
    lose_everything(world)
    first, second = a_sweeper(world), a_sweeper(world)

    first.sweep(GROUP)
    second.sweep(GROUP)
    first.sweep(GROUP, look=False)
    second.sweep(GROUP, look=False)

    assert world.waiting(job) == log_ids


def acknowledge_all(world: World) -> None:
    results = Results(world.redis, world.blocking, "a test")
    results.acknowledge(results.read([GROUP], count=100, block_ms=1))


def test_a_result_from_before_is_not_needed_to_act(world: World) -> None:
    """The stream may be busy with other runs: only what stood in it at the sighting counts."""
    job, [log_id] = queued(world)
    world.redis.delete(f"baton:{{{GROUP}}}:queue:{job}")
    mine = a_sweeper(world)
    sweep(world, mine)
    mine.sweep(GROUP)
    Results(world.redis, world.blocking, "x").append(GROUP, {"settled:999": callback(999, Outcome.FAILED)})

    mine.sweep(GROUP, look=False)

    assert world.reported() == ["settled:999", f"lost:{log_id}"]
