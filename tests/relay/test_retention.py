"""Retention of a whole installation."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from baton.broker import chores
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import write
from baton.store.models import JobLog
from tests import factories
from tests.waiting import until

pytestmark = pytest.mark.slow

DAY_MS = 24 * 3600 * 1000


def count(baton) -> int:
    with baton.engine.connect() as connection:
        return connection.execute(select(func.count(JobLog.id))).scalar_one()


def test_a_background_process_killed_among_deletions_leaves_the_rest_to_the_next_period(whole_baton):
    baton = whole_baton(schedulers=0, workers=0, callbacks=0, BATON_KEEP_DAYS="7")
    old_ms = SYSTEM_CLOCK.now_ms() - 8 * DAY_MS
    with write(baton.engine) as connection:
        group_id = factories.executor_group(connection, app_name="old")
        ended = {"handle_code": 200, "handle_time": old_ms, "trigger_code": 200, "outcome": "succeeded"}
        for _ in range(1200):
            factories.log_row(connection, group_id, 1, trigger_time=old_ms, **ended)
        young = {**ended, "handle_time": SYSTEM_CLOCK.now_ms()}
        factories.log_row(connection, group_id, 1, trigger_time=SYSTEM_CLOCK.now_ms(), **young)
        factories.reports_have_counted(connection)
    queue = chores.queue(baton.redis)

    chores.hand_over(queue, "background.retention.delete_old_runs", "first", 0, is_repeated=True)
    dying = baton.processes.background(BATON_FAILPOINTS="retention.deleted=kill")
    until(lambda: not dying.is_running, 20, "the background process to die")
    assert count(baton) == 701
    chores.hand_over(queue, "background.retention.delete_old_runs", "second", 60_000, is_repeated=True)
    baton.processes.background()

    until(lambda: count(baton) == 1, 20, "all that is old to go")
