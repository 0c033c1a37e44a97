"""What counting and reports ask is answered along indexes, and bites are no larger than said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, select

from baton.store import report_rows, reports
from baton.store.engine import write
from baton.store.models import JobLog
from baton.store.report_rows import DAY, Periods, Totals
from baton.store.reports import IS_COUNTED, Counted, Open
from tests.clocks import NOON_MS

HOUR_MS = 3600 * 1000


def plans_of(engine: Engine, ask: Callable[[Connection], object]) -> str:
    """How the database goes about the statements of `ask`."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection, _cursor, statement, values, _context, _many):
        sent.append((statement, values))

    with write(engine) as connection:
        how = "explain query plan " if engine.dialect.name == "sqlite" else "explain "
        if engine.dialect.name == "postgresql":  # a small table is read whole, which proves nothing
            connection.exec_driver_sql("set local enable_seqscan = off")
            connection.exec_driver_sql("set local enable_bitmapscan = off")
        event.listen(engine, "before_cursor_execute", keep)
        ask(connection)
        event.remove(engine, "before_cursor_execute", keep)
        plans = [connection.exec_driver_sql(how + statement, values) for statement, values in sent]
        return "\n".join(str(row) for plan in plans for row in plan)


@pytest.mark.parametrize(
    "ask",
    [
        reports.newest_id,
        lambda connection: reports.following(connection, 5, 100, 10),
        lambda connection: reports.still_open(connection, 5, 10),
        lambda connection: connection.execute(select(JobLog.id).where(JobLog.id == 7, IS_COUNTED)),
        lambda connection: connection.execute(delete(JobLog).where(JobLog.id == 7, IS_COUNTED)),
        lambda connection: report_rows.series(connection, DAY, "2026-01-01", "2026-01-31"),
        lambda connection: report_rows.series(connection, DAY, "2026-01-01", "2026-01-31", group_id=1),
        lambda connection: report_rows.series(connection, DAY, "2026-01-01", "2026-01-31", job_id=1),
        lambda connection: report_rows.by_job(connection, DAY, "2026-01-01", "2026-01-31"),
        lambda connection: report_rows.add_run_times(
            connection, {1: Totals()}, DAY, "2026-01-01", "2026-01-31"
        ),
        lambda connection: report_rows.forget_hours(connection, "2026-01-01T00Z"),
    ],
)
def test_no_table_that_grows_is_read_whole(engine, ask):
    plan = plans_of(engine, ask).lower()
    for name in ("job_log", "report", "report_open"):
        assert f"seq scan on {name}\n" not in plan
        assert f"seq scan on {name} " not in plan
        assert f"scan {name}'" not in plan


def run(number: int, job_id: int = 1) -> Counted:
    at_ms = NOON_MS + number
    return Counted(number, 1, job_id, at_ms, 0, at_ms, 1, at_ms, at_ms, "succeeded")


def test_a_bite_changes_the_numbers_of_so_many_jobs_at_most():
    runs = [run(number, job_id=number % 7) for number in range(100)]
    bites = list(reports.bites(runs, Periods(UTC), 5))

    assert [each for bite in bites for each in bite] == runs
    assert max(len({each.job_id for each in bite}) for bite in bites) == 5


def test_many_runs_of_a_job_are_one_bite():
    runs = [run(number) for number in range(100)]
    assert list(reports.bites(runs, Periods(UTC), 1)) == [runs]


def test_runs_that_are_gone_belong_to_any_bite():
    gone = [Open(number, None, None) for number in range(10)]
    assert list(reports.bites([*gone, Open(11, None, run(11))], Periods(UTC), 2)) == [
        [*gone, Open(11, None, run(11))]
    ]
    assert list(reports.bites([], Periods(UTC), 2)) == []
