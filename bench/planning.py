"""The planner under load: many jobs, thousands due in the same second, every second.

Lateness is counted from the fire time to the commit of its row, as a reader beside it sees it (every
few milliseconds; rows of the next second are made ahead, so it may be negative), and to the moment
its message is in its lane, as the row says.
"""

from __future__ import annotations

import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence

from sqlalchemy import func, insert, select, update

from baton.clock import SYSTEM_CLOCK
from baton.store.engine import read, write
from baton.store.models import Job, JobLog

from .installation import Installation, installation

JOBS = 100_000
PERIOD_S = 50
SECONDS = 30
_LEAD_S = 8
_IDLE_S = 10
_LOOK_S = 0.005


def measure() -> dict[str, float]:
    """100,000 jobs in SQLite; 2,000 of them due each second for 30 seconds; then none for a while."""
    with installation() as baton:
        first_ms = (SYSTEM_CLOCK.now_ms() // 1000 + _LEAD_S + 10) * 1000
        _make_jobs(baton, first_ms)
        for name in ("scheduler", "callbacks", "worker"):
            baton.start(name)
        baton.wait_for(lambda: SYSTEM_CLOCK.now_ms() > first_ms - 1000, "the first fire time", 120)
        cpu_s = baton.cpu_s()
        commits = _Commits(baton)
        last_ms = first_ms + (SECONDS - 1) * 1000
        baton.wait_for(lambda: SYSTEM_CLOCK.now_ms() > last_ms + 3000, "the last fire time", 120)
        commits.stop()
        _stop_jobs(baton)
        busy_s = baton.cpu_s()["scheduler"] - cpu_s["scheduler"]
        rows = _rows(baton, first_ms, last_ms)
        _judge(rows, first_ms)
        idle = _idle_share(baton)
    committed = sorted(commits.seen_ms(log_id) - fire_at for log_id, _, fire_at, _ in rows)
    pushed = sorted(pushed_at - fire_at for _, _, fire_at, pushed_at in rows)
    return {
        "planning_jobs": JOBS,
        "planning_rows": len(rows),
        "committed_late_ms_median": statistics.median(committed),
        "committed_late_ms_p99": _p99(committed),
        "pushed_late_ms_median": statistics.median(pushed),
        "pushed_late_ms_p99": _p99(pushed),
        "planning_cpu_us_per_row": round(busy_s * 1e6 / len(rows), 1),
        "idle_scheduler_cpu_percent": round(100 * idle, 2),
    }


def _make_jobs(baton: Installation, first_ms: int) -> None:
    now_ms = SYSTEM_CLOCK.now_ms()
    facts = {
        "group_id": baton.group_id,
        "schedule_type": "FIX_RATE",
        "schedule_conf": str(PERIOD_S),
        "executor_handler": "noop",
        "trigger_status": 1,
        "created_at": now_ms,
        "updated_at": now_ms,
    }
    with write(baton.engine) as connection:
        connection.execute(
            insert(Job),
            [
                {**facts, "name": f"bench {n}", "next_trigger_time": first_ms + n % PERIOD_S * 1000}
                for n in range(JOBS)
            ],
        )


def _stop_jobs(baton: Installation) -> None:
    """They stay enabled, and are due again in an hour."""
    with write(baton.engine) as connection:
        connection.execute(update(Job).values(next_trigger_time=SYSTEM_CLOCK.now_ms() + 3_600_000))


def _rows(baton: Installation, first_ms: int, last_ms: int) -> Sequence[tuple[int, int, int, int]]:
    wanted = JobLog.fire_at.between(first_ms, last_ms)

    def all_pushed() -> bool:
        with read(baton.engine) as connection:
            waiting = select(func.count()).select_from(JobLog).where(wanted, JobLog.pushed_at == 0)
            return connection.execute(waiting).scalar_one() == 0

    baton.wait_for(all_pushed, "every row to be pushed")
    columns = (JobLog.id, JobLog.job_id, JobLog.fire_at, JobLog.pushed_at)
    with read(baton.engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns).where(wanted))]


def _judge(rows: Sequence[tuple[int, int, int, int]], first_ms: int) -> None:
    """Every fire time is one row: none lost, none doubled."""
    expected = {
        (n + 1, first_ms + (n % PERIOD_S + cycle * PERIOD_S) * 1000)
        for n in range(JOBS)
        for cycle in range(-(-SECONDS // PERIOD_S))
        if n % PERIOD_S + cycle * PERIOD_S < SECONDS
    }
    found = [(job_id, fire_at) for _, job_id, fire_at, _ in rows]
    if len(found) != len(set(found)) or set(found) != expected:
        lost, strange = len(expected - set(found)), len(set(found) - expected)
        raise AssertionError(f"{lost} lost, {strange} strange, {len(found) - len(set(found))} doubled")


class _Commits:
    """Sees by when which rows were committed: SQLite gives ids in the order of commits."""

    def __init__(self, baton: Installation) -> None:
        self._baton = baton
        self._moments_ms: list[int] = []
        self._newest_ids: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def seen_ms(self, log_id: int) -> int:
        """The first look at which this row was there."""
        return self._moments_ms[bisect_left(self._newest_ids, log_id)]

    def _look(self) -> None:
        newest = select(func.coalesce(func.max(JobLog.id), 0))
        while not self._stopping.wait(_LOOK_S):
            with read(self._baton.engine) as connection:
                self._newest_ids.append(connection.execute(newest).scalar_one())
            self._moments_ms.append(SYSTEM_CLOCK.now_ms())


def _idle_share(baton: Installation) -> float:
    time.sleep(2)
    before_s, began_s = baton.cpu_s()["scheduler"], time.monotonic()
    time.sleep(_IDLE_S)
    return (baton.cpu_s()["scheduler"] - before_s) / (time.monotonic() - began_s)


def _p99(values: Sequence[int]) -> int:
    return values[int(len(values) * 0.99)]
