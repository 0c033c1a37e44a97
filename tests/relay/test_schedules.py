"""Schedules that need more than the planner: real processes from the fire time to the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from baton.clock import SYSTEM_CLOCK
from baton.schedule import AWAITING_END_MS
from baton.store import jobs
from baton.store.engine import read
from tests.waiting import until


def job_of(baton, job_id):
    with read(baton.engine) as connection:
        return jobs.get(connection, job_id)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_fixed_delay_counts_from_the_end_of_each_run(whole_baton, database):
    baton = whole_baton(database=database)
    job_id = baton.job(
        executor_param="0.7", schedule_type="FIX_DELAY", schedule_conf="1", trigger_status=1,
        next_trigger_time=SYSTEM_CLOCK.now_ms(),
    )  # fmt: skip

    until(lambda: job_of(baton, job_id).next_trigger_time == AWAITING_END_MS, 20, "the first run")
    baton.wait_until_ended(3)

    rows = [row for row in baton.facts() if row.handle_time]
    assert {row.trigger_type for row in rows} == {"CRON"}
    pauses_ms = [later.fire_at - earlier.handle_time for earlier, later in pairwise(rows)]
    assert min(pauses_ms) >= 1000
    assert baton.verdict(serial=[job_id]).is_clean


def test_a_moment_comes_once_and_jitter_holds_its_run_back(whole_baton):
    baton = whole_baton()
    moment_ms = (SYSTEM_CLOCK.now_ms() // 1000 + 2) * 1000
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    job_id = baton.job(
        schedule_type="ONCE", schedule_conf=moment, jitter_s=2, trigger_status=1, next_trigger_time=moment_ms
    )

    baton.wait_until_ended(1)

    [row] = baton.facts()
    assert (row.fire_at, row.outcome) == (moment_ms, "succeeded")
    assert moment_ms <= row.not_before <= min(row.pushed_at, row.started_at)
    job = job_of(baton, job_id)
    assert not job.is_running
    assert moment in job.stop_reason
