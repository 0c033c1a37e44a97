"""What pushes and plans add to the series."""

from __future__ import annotations

import pytest

from baton import meters
from baton.store.models import Job, JobLog
from scheduler.planner import Planner

from .world import GROUP, World


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    meters.take()


def counted(*names: str) -> dict[str, int]:
    """What was counted of these series."""
    return {name: times for name, times in meters.take().items() if name.split("|")[0] in names}


def test_verdicts_are_counted_and_a_repetition_is_none_of_the_first(world: World) -> None:
    group_id = world.group()
    serial = world.job(group_id)
    rows = [world.row(serial), world.row(serial)]
    world.row(world.job(group_id, block_strategy="DISCARD_LATER"))
    pusher = world.pusher()
    pusher.push_pending()
    assert counted("baton_runs_pushed_total") == {f"baton_runs_pushed_total|{GROUP}|queued": 3}

    for log_id in rows:
        world.change(JobLog, log_id, trigger_code=0, trigger_msg=None, pushed_at=0)
    pusher.push_pending()

    assert counted("baton_runs_pushed_total") == {f"baton_runs_pushed_total|{GROUP}|repeated": 2}


def test_a_refused_run_is_a_run_that_ended(world: World) -> None:
    job_id = world.job(world.group())
    world.row(job_id)
    world.change(Job, job_id, route_strategy="NONSENSE")

    world.pusher().push_pending()

    assert counted("baton_runs_total") == {f"baton_runs_total|{GROUP}|refused": 1}


def test_lateness_is_counted_for_fire_times_only_and_from_their_jitter(world: World) -> None:
    now_ms = world.clock.wall_ms
    group_id = world.group()
    world.row(world.job(group_id), trigger_type="MANUAL", fire_at=now_ms - 60_000)
    world.row(world.job(group_id), trigger_type="RETRY", fire_at=now_ms - 60_000)
    world.row(world.job(group_id), trigger_type="CRON", fire_at=now_ms - 2_000)
    world.row(world.job(group_id), trigger_type="CRON", fire_at=now_ms - 2_000, not_before=now_ms - 40)

    world.pusher().push_pending()

    assert counted("baton_schedule_lateness_seconds") == {
        f"baton_schedule_lateness_seconds|{GROUP}|2.5": 1,
        f"baton_schedule_lateness_seconds|{GROUP}|0.05": 1,
        f"baton_schedule_lateness_seconds|{GROUP}|sum": 2_040_000,
    }


def test_planned_rows_and_missed_fire_times_are_counted(world: World) -> None:
    job_id = world.job(world.group(), misfire_strategy="DO_NOTHING")
    world.job(world.group("other"))
    world.change(Job, job_id, next_trigger_time=world.clock.wall_ms - 60_000)
    planner = Planner(world.engine, misfire_threshold_ms=5_000, on_planned=lambda: None, clock=world.clock)

    planner.step()

    # six moments of the last minute are past; both jobs fire now
    assert counted("baton_runs_planned_total", "baton_misfires_total") == {
        "baton_runs_planned_total": 2, "baton_misfires_total|DO_NOTHING": 6,
    }  # fmt: skip
