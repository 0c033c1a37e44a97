"""Every run of a whole installation is in the reports once, whoever dies meanwhile."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from baton.broker import chores
from baton.store import report_rows
from baton.store.engine import read
from baton.store.models import JobLog
from baton.store.report_rows import DAY, Totals
from tests.waiting import until

pytestmark = pytest.mark.slow


def total(baton, job_id: int = 0) -> Totals:
    """Of today, and of yesterday if the day changed meanwhile."""
    today = datetime.now(UTC).date()
    found = Totals()
    with read(baton.engine) as connection:
        first = (today - timedelta(days=1)).isoformat()
        for each in report_rows.series(connection, DAY, first, today.isoformat(), job_id=job_id).values():
            found.merge(each)
    return found


def rows(baton, job_id: int) -> Counter[str]:
    counts = select(JobLog.outcome, func.count()).where(JobLog.job_id == job_id).group_by(JobLog.outcome)
    with read(baton.engine) as connection:
        return Counter(dict(map(tuple, connection.execute(counts))))


def count(baton, work_id: str) -> None:
    """What the timetable hands over each minute."""
    work = chores.queue(baton.redis)
    assert chores.hand_over(work, "background.reports.count", work_id, 0, is_repeated=True)


def test_reports_say_what_the_rows_say_although_who_counts_is_killed(whole_baton):
    baton = whole_baton()
    works = baton.job("work", block_strategy="PARALLEL", max_concurrency=10)
    fails = baton.job("fail", block_strategy="PARALLEL", max_concurrency=10, executor_fail_retry_count=1)
    slow = baton.job("work")
    baton.trigger(slow, param="60")
    baton.wait_for_start()
    baton.trigger(works, 30)
    baton.trigger(fails, 10)
    until(lambda: rows(baton, works)["succeeded"] == 30 and rows(baton, fails)["failed"] == 20, 60)

    dying = baton.processes.background(BATON_FAILPOINTS="report.uncommitted=kill")
    count(baton, "first")
    until(lambda: not dying.is_running, 20, "the background process to die")
    assert total(baton).triggered == 0
    baton.processes.background()
    count(baton, "second")
    until(lambda: total(baton).triggered == 51, 20, "all runs to be counted")
    assert total(baton).unfinished == 1

    baton.workers[0].kill()
    until(lambda: rows(baton, slow)["lost"] == 1, 30, "the slow run to be lost")
    count(baton, "third")
    until(lambda: total(baton).unfinished == 0, 20, "the lost run to be counted")

    for job_id in (works, fails, slow):
        assert +total(baton, job_id).outcomes == rows(baton, job_id)
    assert total(baton).run_times.total == 50
