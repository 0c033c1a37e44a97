"""Whatever the clock does, each fire time up to the latest moment seen has exactly one row."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update

from baton.schedule import Schedule, following
from baton.store.engine import read, write
from baton.store.models import Job, JobLog
from scheduler.planner import Planner

from .. import factories
from ..clocks import NOON_MS, FakeClock

HOUR_S = 3600
KINDS = st.sampled_from(
    [("FIX_RATE", "60"), ("FIX_RATE", "3600"), ("CRON", "*/7 * * * *"), ("CRON", "0 30 * * * ?")]
)
MOVES = st.lists(
    st.tuples(st.just("advance"), st.integers(0, 900))
    | st.tuples(st.just("jump"), st.sampled_from([-HOUR_S, HOUR_S])),
    min_size=1,
    max_size=15,
)
properties = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def a_job(engine: Engine, kind: tuple[str, str]) -> tuple[int, Schedule]:
    """It makes up for everything that it missed, and is due at noon."""
    with write(engine) as connection:
        connection.execute(update(Job).values(trigger_status=0))  # of other examples
        job_id = factories.job(
            connection, factories.executor_group(connection), schedule_type=kind[0], schedule_conf=kind[1],
            misfire_strategy="FIRE_ALL", max_catchup=1000, trigger_status=1, next_trigger_time=NOON_MS,
        )  # fmt: skip
    return job_id, Schedule(*kind)


def planner(engine: Engine, clock: FakeClock) -> Planner:
    return Planner(engine, misfire_threshold_ms=5000, on_planned=lambda: None, clock=clock)


def plan_all(mine: Planner, now_ms: int) -> None:
    while mine.plan_due(now_ms).jobs:
        pass


def planned(engine: Engine, job_id: int) -> list[tuple[int, str]]:
    wanted = (
        select(JobLog.fire_at, JobLog.trigger_key).where(JobLog.job_id == job_id).order_by(JobLog.fire_at)
    )
    with read(engine) as connection:
        return [tuple(row) for row in connection.execute(wanted)]


def named(schedule: Schedule, until_ms: int) -> list[tuple[int, str]]:
    times, at = [], NOON_MS
    while at <= until_ms:
        times.append((at, f"cron:{at}"))
        at = following(schedule, at, at)
    return times


@properties
@given(KINDS, MOVES)
def test_jumps_of_an_hour_neither_double_nor_lose(sqlite_engine, kind, moves):
    job_id, schedule = a_job(sqlite_engine, kind)
    clock = FakeClock()
    planners = [planner(sqlite_engine, clock) for _ in range(2)]
    latest_ms = clock.now_ms()
    for turn, (move, seconds) in enumerate(moves):
        getattr(clock, move)(seconds)
        latest_ms = max(latest_ms, clock.now_ms())
        plan_all(planners[turn % 2], clock.now_ms())
    plan_all(planners[0], latest_ms)

    assert planned(sqlite_engine, job_id) == named(schedule, latest_ms)


@properties
@given(KINDS, st.lists(st.integers(0, 5 * HOUR_S), min_size=1, max_size=8))
def test_planning_twice_gives_the_same_rows(sqlite_engine, kind, late_s):
    """Also when the second time begins where the first did, as from a backup of the jobs."""
    job_id, schedule = a_job(sqlite_engine, kind)
    mine = planner(sqlite_engine, FakeClock())
    for seconds in sorted(late_s):
        plan_all(mine, NOON_MS + seconds * 1000)
    once = planned(sqlite_engine, job_id)
    with write(sqlite_engine) as connection:
        connection.execute(update(Job).where(Job.id == job_id).values(next_trigger_time=NOON_MS))

    plan_all(mine, NOON_MS + max(late_s) * 1000)

    assert once == planned(sqlite_engine, job_id) == named(schedule, NOON_MS + max(late_s) * 1000)


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_without_a_wish_to_make_up_a_jump_costs_at_most_what_it_passed_over(sqlite_engine, jump_s):
    job_id, _ = a_job(sqlite_engine, ("FIX_RATE", "60"))
    with write(sqlite_engine) as connection:
        connection.execute(update(Job).where(Job.id == job_id).values(misfire_strategy="DO_NOTHING"))
    clock = FakeClock()
    mine = planner(sqlite_engine, clock)
    for _ in range(3):
        plan_all(mine, clock.now_ms())
        clock.advance(60)
    clock.jump(jump_s)
    for _ in range(70):
        plan_all(mine, clock.now_ms())
        clock.advance(60)

    minutes = [(at - NOON_MS) // 60_000 for at, _ in planned(sqlite_engine, job_id)]
    back_to = 3 + jump_s // 60
    assert minutes == sorted({0, 1, 2, *range(max(3, back_to), back_to + 70)})
