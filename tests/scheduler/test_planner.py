from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from baton import failpoints, telemetry
from baton.schedule import AWAITING_END_MS
from baton.store import calendars, fixed_delay, jobs
from baton.store.engine import make_engine, write
from baton.store.models import Job, JobLog
from scheduler import planner
from scheduler.planner import Planner

from .world import World, assert_fields


def a_planner(world: World, engine: Engine | None = None) -> Planner:
    return Planner(
        engine or world.engine,
        misfire_threshold_ms=5000,
        on_planned=lambda: world.calls.append("planned"),
        clock=world.clock,
    )


def plan(world: World) -> planner.Planned:
    return a_planner(world).plan_due(world.clock.now_ms())


def test_a_due_job_becomes_one_pending_row_and_moves_to_its_next_time(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(
        world.group(), executor_handler="report", executor_param="p", executor_timeout=7,
        executor_fail_retry_count=2, block_strategy="COVER_EARLY", on_lost="RERUN",
    )  # fmt: skip

    planned = plan(world)

    assert (planned.jobs, planned.rows, planned.stopped) == (1, 1, ())
    [row] = world.logs(job)
    assert_fields(
        row,
        trigger_key=f"cron:{now}",
        trigger_type="CRON",
        fire_at=now,
        trigger_time=now,
        trigger_code=0,
        executor_handler="report",
        executor_param="p",
        executor_timeout=7,
        executor_fail_retry_count=2,
        block_strategy="COVER_EARLY",
        on_lost="RERUN",
        attempt=1,
    )
    after = world.look(Job, job)
    assert (after["last_trigger_time"], after["next_trigger_time"]) == (now, now + 10_000)


def test_planning_again_at_the_same_moment_plans_nothing(world: World) -> None:
    job = world.job(world.group())
    plan(world)

    assert plan(world).rows == 0
    assert len(world.logs(job)) == 1


@pytest.mark.parametrize(
    "fields",
    [{"trigger_status": 0}, {"next_trigger_time": 4_000_000_000_000}],
    ids=["stopped", "due later"],
)
def test_what_is_not_due_is_not_planned(world: World, fields: dict[str, Any]) -> None:
    job = world.job(world.group(), **fields)

    assert plan(world).jobs == 0
    assert world.logs(job) == []


def test_fire_times_met_too_late_are_left_out_by_default(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), next_trigger_time=now - 63_000)
    before = telemetry.count("plan.misfire")

    plan(world)

    assert [row["fire_at"] for row in world.logs(job)] == [now - 3_000]
    assert world.look(Job, job)["next_trigger_time"] == now + 7_000
    assert telemetry.count("plan.misfire") == before + 1


def test_missed_fire_times_are_made_up_for_once_where_the_job_says_so(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), next_trigger_time=now - 67_000, misfire_strategy="FIRE_ONCE_NOW")

    plan(world)

    [row] = world.logs(job)
    assert_fields(row, trigger_type="MISFIRE", trigger_key=f"misfire:{now - 67_000}", fire_at=now - 67_000)
    assert_fields(world.look(Job, job), last_trigger_time=now - 67_000, next_trigger_time=now + 3_000)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"schedule_type": "CRON", "schedule_conf": "99 * * * *"}, "99"),
        ({"schedule_type": "CRON", "schedule_conf": "* * * * *", "time_zone": "Mars/Crater"}, "Mars/Crater"),
        ({"schedule_type": "FIX_RATE", "schedule_conf": "soon"}, "soon"),
        ({"schedule_type": "FIX_RATE", "schedule_conf": "0"}, "0"),
        ({"schedule_type": "LUNAR", "schedule_conf": ""}, "LUNAR"),
    ],
    ids=["cron", "zone", "rate", "zero rate", "type"],
)
def test_a_schedule_that_cannot_be_read_stops_its_own_job_only(
    world: World, fields: dict[str, Any], named: str
) -> None:
    group = world.group()
    broken, healthy = world.job(group, **fields), world.job(group)
    before = telemetry.count("plan.job_stopped")

    planned = plan(world)

    assert planned.stopped == (broken,)
    assert telemetry.count("plan.job_stopped") == before + 1
    stopped = world.look(Job, broken)
    assert stopped["trigger_status"] == 0
    assert named in stopped["stop_reason"]
    assert world.logs(broken) == []
    assert len(world.logs(healthy)) == 1


def test_a_schedule_that_has_ended_stops_its_job_after_the_last_time(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), end_at=now + 9_999)

    plan(world)

    assert [row["fire_at"] for row in world.logs(job)] == [now]
    after = world.look(Job, job)
    assert (after["trigger_status"], after["next_trigger_time"]) == (0, 0)
    assert "end has come" in after["stop_reason"]


def test_a_job_follows_its_own_rule_for_hours_that_are_dropped(world: World) -> None:
    """02:30 in New York, which 8 March 2026 does not have."""
    world.clock.wall_ms = 1_772_868_600_000
    group = world.group()
    nightly = {
        "schedule_type": "CRON", "schedule_conf": "30 2 * * *", "time_zone": "America/New_York",
        "next_trigger_time": world.clock.wall_ms,
    }  # fmt: skip
    runs, skips = world.job(group, **nightly), world.job(group, **nightly, dst_gap="SKIP")

    plan(world)

    assert world.look(Job, runs)["next_trigger_time"] == 1_772_953_200_000
    assert world.look(Job, skips)["next_trigger_time"] == 1_773_037_800_000


@pytest.mark.parametrize(
    ("change", "moves_to"),
    [
        ({"start_at": 3_600_000}, 3_600_000),
        ({"end_at": 3_600_000}, 10_000),
        ({"name": "Another"}, None),
    ],
)
def test_an_edit_that_changes_the_bounds_follows_the_schedule_anew(
    world: World, change: dict[str, Any], moves_to: int | None
) -> None:
    now = world.clock.wall_ms
    group = world.group()
    job = world.job(group, next_trigger_time=now + 1)
    draft = jobs.JobDraft(group, "A job", "demo", schedule_type="FIX_RATE", schedule_conf="10")
    bounds = {name: value if name == "name" else now + value for name, value in change.items()}

    with write(world.engine) as connection:
        assert jobs.edit(connection, job, 1, replace(draft, **bounds), now)

    assert world.look(Job, job)["next_trigger_time"] == now + (1 if moves_to is None else moves_to)


def test_a_misfire_strategy_that_does_not_exist_harms_no_other_job(world: World) -> None:
    group = world.group()
    broken = world.job(group, misfire_strategy="GUESS", next_trigger_time=world.clock.wall_ms - 65_000)
    healthy = world.job(group)

    plan(world)

    assert len(world.logs(healthy)) == 1
    assert world.look(Job, broken)["next_trigger_time"] != world.clock.wall_ms - 65_000


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_pass_plans(world: World) -> None:
    job = world.job(world.group())
    before = world.look(Job, job)
    failpoints.arm("plan.before_commit=raise")

    with pytest.raises(RuntimeError, match=r"plan\.before_commit"):
        plan(world)
    assert world.logs(job) == []
    assert world.look(Job, job) == before

    assert plan(world).rows == 1


def test_a_crash_after_the_commit_leaves_rows_that_are_not_planned_again(world: World) -> None:
    job = world.job(world.group())
    failpoints.arm("plan.committed=raise")

    with pytest.raises(RuntimeError, match=r"plan\.committed"):
        plan(world)

    assert plan(world).rows == 0
    assert len(world.logs(job)) == 1


def test_a_job_that_was_moved_since_it_was_read_gets_no_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = world.group()
    edited, other = world.job(group), world.job(group)
    read_due = planner.jobs.due

    def due_then_edited(*arguments: Any) -> Any:
        found = read_due(*arguments)
        return [_as_before_the_edit(job) if job.id == edited else job for job in found]

    monkeypatch.setattr(planner.jobs, "due", due_then_edited)
    plan(world)

    assert world.logs(edited) == []
    assert len(world.logs(other)) == 1


def _as_before_the_edit(job: Any) -> Any:
    return replace(job, next_trigger_time=job.next_trigger_time - 1000)


def test_a_fire_time_that_has_a_row_already_gets_no_second_one(world: World) -> None:
    job = world.job(world.group())
    world.row(job, trigger_key=f"cron:{world.clock.wall_ms}")

    assert plan(world).rows == 0
    assert len(world.logs(job)) == 1
    assert world.look(Job, job)["next_trigger_time"] == world.clock.wall_ms + 10_000


def test_a_fixed_delay_fires_and_then_waits_for_the_end_of_its_run(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), schedule_type="FIX_DELAY")

    plan(world)

    assert [row["trigger_key"] for row in world.logs(job)] == [f"cron:{now}"]
    assert_fields(world.look(Job, job), next_trigger_time=AWAITING_END_MS, trigger_status=1)
    world.clock.advance(3600)
    assert plan(world).rows == 0


def awaiting(world: World, **fields: Any) -> tuple[int, int]:
    """A job with a fixed delay of 10 s whose run is under way, and the log id of that run."""
    job = world.job(world.group(), schedule_type="FIX_DELAY", **fields)
    plan(world)
    return job, world.logs(job)[-1]["id"]


def run_ended(world: World, job: int) -> int:
    with write(world.engine) as connection:
        return fixed_delay.run_ended(connection, [job], world.clock.now_ms())


ENDED = {"outcome": "succeeded", "handle_code": 200, "handle_time": 1, "trigger_code": 200}


def test_a_fixed_delay_counts_from_the_end_of_its_run(world: World) -> None:
    job, log_id = awaiting(world)
    world.clock.advance(42)
    assert run_ended(world, job) == 0, "the row has not ended"

    world.change(JobLog, log_id, **ENDED)
    assert run_ended(world, job) == 1

    assert world.look(Job, job)["next_trigger_time"] == world.clock.wall_ms + 10_000
    assert run_ended(world, job) == 0, "it does not wait any more"


@pytest.mark.parametrize(
    "other",
    [{"trigger_type": "RETRY", "trigger_key": "retry:1"}, {"shard_index": 1}],
    ids=["retry", "shard"],
)
def test_a_fixed_delay_waits_for_every_retry_and_shard(world: World, other: dict[str, Any]) -> None:
    job, log_id = awaiting(world)
    more = world.row(job, **({"trigger_key": f"cron:{world.clock.wall_ms}"} | other))
    world.change(JobLog, log_id, **ENDED)
    assert run_ended(world, job) == 0

    world.change(JobLog, more, **ENDED)
    assert run_ended(world, job) == 1


def test_an_old_run_that_never_ended_does_not_hold_up_a_fixed_delay(world: World) -> None:
    job = world.job(world.group(), schedule_type="FIX_DELAY")
    world.row(job)
    plan(world)
    world.change(JobLog, world.logs(job)[-1]["id"], **ENDED)

    assert run_ended(world, job) == 1


def test_a_fixed_delay_whose_end_has_come_stops_with_its_run(world: World) -> None:
    job, log_id = awaiting(world, end_at=world.clock.wall_ms + 15_000)
    world.clock.advance(6)
    world.change(JobLog, log_id, **ENDED)
    run_ended(world, job)

    after = world.look(Job, job)
    assert (after["trigger_status"], after["next_trigger_time"]) == (0, 0)
    assert "end has come" in after["stop_reason"]


@pytest.mark.parametrize("vanished", [True, False], ids=["the row is deleted", "the row ended unseen"])
def test_a_fixed_delay_whose_run_ended_unseen_is_found_by_the_planner(world: World, vanished: bool) -> None:
    job, log_id = awaiting(world)
    mine = a_planner(world)
    mine.step()
    assert world.look(Job, job)["next_trigger_time"] == AWAITING_END_MS
    if vanished:
        world.remove(JobLog, log_id)
    else:
        world.change(JobLog, log_id, outcome="refused", trigger_code=500)

    world.clock.advance(planner.RESUME_INTERVAL_S)
    mine.step()

    assert world.look(Job, job)["next_trigger_time"] == world.clock.wall_ms + 10_000


def test_an_edit_of_the_delay_counts_from_the_end_of_the_run_under_way(world: World) -> None:
    job, log_id = awaiting(world)
    group_id = world.look(Job, job)["group_id"]
    draft = jobs.JobDraft(group_id, "A job", "demo", schedule_type="FIX_DELAY", schedule_conf="30")
    with write(world.engine) as connection:
        jobs.edit(connection, job, 1, draft, world.clock.now_ms())
    assert world.look(Job, job)["next_trigger_time"] == AWAITING_END_MS

    world.change(JobLog, log_id, **ENDED)
    run_ended(world, job)

    assert world.look(Job, job)["next_trigger_time"] == world.clock.wall_ms + 30_000


def test_a_job_of_one_moment_fires_once_and_stops_saying_why(world: World) -> None:
    moment = {"schedule_type": "ONCE", "schedule_conf": "2026-01-01T13:00", "time_zone": "Europe/Berlin"}
    job = world.job(world.group(), **moment)

    plan(world)

    assert [row["fire_at"] for row in world.logs(job)] == [world.clock.wall_ms]
    after = world.look(Job, job)
    assert (after["trigger_status"], after["last_trigger_time"]) == (0, world.clock.wall_ms)
    assert after["stop_reason"] == "its one moment has come: 2026-01-01T13:00"


@pytest.mark.parametrize(("strategy", "rows"), [("DO_NOTHING", 0), ("FIRE_ONCE_NOW", 1)])
def test_a_moment_met_too_late_is_a_misfire(world: World, strategy: str, rows: int) -> None:
    moment = {"schedule_type": "ONCE", "schedule_conf": "2026-01-01T12:00", "misfire_strategy": strategy}
    job = world.job(world.group(), **moment)
    world.clock.advance(60)

    assert plan(world).rows == rows
    reason = world.look(Job, job)["stop_reason"]
    assert ("missed by 60 s" in reason) == (rows == 0)


def test_every_missed_time_gets_its_row_where_the_job_says_so(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), next_trigger_time=now - 67_000, misfire_strategy="FIRE_ALL")

    plan(world)

    rows = [(row["trigger_type"], row["trigger_key"]) for row in world.logs(job)]
    assert rows == [("MISFIRE", f"cron:{now - 67_000 + n * 10_000}") for n in range(7)]
    assert world.look(Job, job)["next_trigger_time"] == now + 3_000


@pytest.mark.parametrize(
    ("limits", "made_up_s"),
    [({"max_catchup": 2}, [17, 7]), ({"catchup_window_s": 30}, [27, 17, 7]), ({"max_catchup": 0}, [])],
)
def test_making_up_is_bounded_to_the_newest(
    world: World, limits: dict[str, int], made_up_s: list[int]
) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), next_trigger_time=now - 67_000, misfire_strategy="FIRE_ALL", **limits)

    plan(world)

    assert [(now - row["fire_at"]) // 1000 for row in world.logs(job)] == made_up_s


def test_what_makes_up_for_much_holds_up_nobody_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "CATCHUP_ROWS", 3)
    now = world.clock.wall_ms
    group = world.group()
    late = [
        world.job(group, next_trigger_time=now - 70_000, misfire_strategy="FIRE_ALL", max_catchup=1000)
        for _ in range(2)
    ]
    on_time = world.job(group)
    mine = a_planner(world)

    assert mine.plan_due(now).rows == 1 + 3
    assert len(world.logs(on_time)) == 1
    failpoints.arm("plan.before_commit=raise")
    with pytest.raises(RuntimeError):
        mine.plan_due(now)
    while mine.plan_due(now).jobs:
        pass

    expected = [now - 70_000 + n * 10_000 for n in range(8)]
    for job in late:
        assert [row["fire_at"] for row in world.logs(job)] == expected
        assert [row["trigger_type"] for row in world.logs(job)] == ["MISFIRE"] * 7 + ["CRON"]


def test_a_job_passes_over_what_its_calendar_excludes(world: World) -> None:
    now = world.clock.wall_ms  # Thursday, 2026-01-01 12:00
    with write(world.engine) as connection:
        calendar_id = calendars.create(connection, "Night", "12:00-13:00", now)
    job = world.job(world.group(), calendar_id=calendar_id, next_trigger_time=now - 10_000)

    plan(world)

    assert world.logs(job) == []
    assert world.look(Job, job)["next_trigger_time"] == now + 3_600_000


def test_jitter_keeps_the_fire_time_and_is_the_same_for_everybody(world: World) -> None:
    now = world.clock.wall_ms
    group = world.group()
    jobs_ = [world.job(group, jitter_s=60) for _ in range(20)]

    plan(world)

    rows = [world.logs(job)[0] for job in jobs_]
    assert {row["fire_at"] for row in rows} == {now}
    waits = [row["not_before"] - now for row in rows]
    assert waits == [planner.jitter_ms(job, now, 60) for job in jobs_]
    assert all(0 <= wait < 60_000 for wait in waits)
    assert len(set(waits)) > 10


def test_a_deadline_counts_from_the_fire_time_and_for_what_is_made_up_from_now(world: World) -> None:
    now = world.clock.wall_ms
    group = world.group()
    on_time = world.job(group, start_deadline_s=30, next_trigger_time=now - 1_000)
    jittered = world.job(group, start_deadline_s=30, jitter_s=600)
    missed = world.job(
        group, start_deadline_s=30, next_trigger_time=now - 69_000, misfire_strategy="FIRE_ONCE_NOW"
    )

    plan(world)

    assert world.logs(on_time)[0]["expires_at"] == now + 29_000
    [row] = world.logs(jittered)
    assert row["expires_at"] == row["not_before"] + 30_000
    assert world.logs(missed)[0]["expires_at"] == now + 30_000


def test_racing_planners_plan_each_fire_time_exactly_once(world: World) -> None:
    group = world.group()
    jobs = [world.job(group, schedule_conf="1") for _ in range(30)]
    start = world.clock.wall_ms
    engines = [make_engine(world.engine.url.render_as_string(hide_password=False)) for _ in range(3)]
    barrier = threading.Barrier(len(engines))
    failures: list[BaseException] = []

    def race(engine: Engine) -> None:
        mine = a_planner(world, engine)
        try:
            for second in range(5):
                barrier.wait(30)
                mine.plan_due(start + second * 1000)
                barrier.wait(30)
                mine.plan_due(start + second * 1000)  # what was locked by another the first time
        except BaseException as problem:
            failures.append(problem)
            barrier.abort()

    threads = [threading.Thread(target=race, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for engine in engines:
        engine.dispose()

    assert failures == []
    expected = [start + second * 1000 for second in range(5)]
    for job in jobs:
        assert [row["fire_at"] for row in world.logs(job)] == expected


def test_the_step_rests_until_the_next_due_moment(world: World) -> None:
    world.job(world.group(), next_trigger_time=world.clock.wall_ms + 300)

    assert a_planner(world).step() == pytest.approx(0.3)
    assert world.calls == []


def test_rows_are_made_ahead_and_wait_for_their_moment(world: World) -> None:
    now = world.clock.wall_ms
    group = world.group()
    soon, later = (world.job(group, next_trigger_time=now + ms) for ms in (250, 251))
    mine = Planner(
        world.engine, misfire_threshold_ms=5000, on_planned=lambda: None, plan_ahead_ms=250, clock=world.clock
    )

    assert mine.step() == planner.CONTENTION_WAIT_S

    [row] = world.logs(soon)
    assert_fields(row, fire_at=now + 250, not_before=now + 250, trigger_time=now + 250)
    assert world.look(Job, soon)["next_trigger_time"] == now + 10_250
    assert world.logs(later) == []


def test_planning_ahead_makes_nothing_a_misfire_earlier(world: World) -> None:
    now = world.clock.wall_ms
    job = world.job(world.group(), next_trigger_time=now - 5_000)
    mine = Planner(
        world.engine, misfire_threshold_ms=5000, on_planned=lambda: None, plan_ahead_ms=250, clock=world.clock
    )
    mine.plan_due(now)

    [row] = world.logs(job)
    assert_fields(row, fire_at=now - 5_000, trigger_type="CRON", not_before=0, trigger_time=now)


def test_the_step_looks_again_within_a_second_whatever_comes(world: World) -> None:
    assert a_planner(world).step() == 1.0
    world.job(world.group(), next_trigger_time=world.clock.wall_ms + 3_600_000)
    assert a_planner(world).step() == 1.0


def test_the_step_wakes_the_pusher_after_it_inserted_rows(world: World) -> None:
    world.job(world.group())

    assert a_planner(world).step() == 1.0
    assert world.calls == ["planned"]


def test_a_full_batch_is_followed_by_the_next_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "BATCH_JOBS", 2)
    group = world.group()
    for _ in range(3):
        world.job(group)
    mine = a_planner(world)

    assert mine.step() == 0.0
    assert len(world.logs()) == 2
    assert mine.step() == 1.0
    assert len(world.logs()) == 3
