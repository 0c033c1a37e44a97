"""Old runs are deleted and rolled up over five million rows: what does that cost those that go through?

Two loads, each for a while without the background process and then with it: 500 runs a second by schedule,
and as many as go through. PostgreSQL waits for its disk, as in production.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, insert, select, text, update

from baton.broker import recovery
from baton.broker.nudge import nudge
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import read, write
from baton.store.models import Job, JobLog
from tests.postgres import Cluster

from .installation import Installation, installation

ROWS = 5_000_000
OLD_JOBS = 200
RUNS_PER_S = 500
ALONE_S = 60
BESIDE_S = 180
"""Its chores begin once a minute."""
_FULL_S = 60
_QUEUED = 2_000
_BATCH = 1000
_CHILDREN = 4
_FILL = """
insert into job_log (
    group_id, job_id, trigger_key, trigger_type, fire_at, executor_handler, executor_address, trigger_time,
    trigger_code, pushed_at, started_at, handle_time, handle_code, outcome, handle_msg
)
select :group_id, :first_job + i % :jobs, 'cron:' || i, 'CRON', :begin + i * :every, 'noop', 'host-1-aa',
    :begin + i * :every, 200, :begin + i * :every + 5, :begin + i * :every + 10 + i % 50,
    :begin + i * :every + 100 + i % 997, case when i % 50 = 0 then 500 else 200 end,
    case when i % 50 = 0 then 'failed' else 'succeeded' end, 'a message of usual length'
from {numbers}
"""
_NUMBERS = {
    "sqlite": "(with recursive n(i) as (select 0 union all select i + 1 from n limit :rows) select i from n)",
    "postgresql": "generate_series(cast(0 as bigint), :rows - 1) as n(i)",
}
_DAYS = 60


@dataclass(frozen=True, slots=True)
class Load:
    """What went through in a time."""

    runs_per_s: float
    late_ms_median: int = 0
    late_ms_p99: int = 0
    late_ms_worst: int = 0


def measure() -> dict[str, float]:
    """On SQLite, then on PostgreSQL."""
    with installation() as baton:
        figures = _measure(baton, "sqlite")
    cluster = Cluster.start(waits_for_disk=True)
    try:
        with installation(cluster.url(cluster.create())) as baton:
            return figures | _measure(baton, "postgresql")
    finally:
        cluster.stop()


def _measure(baton: Installation, name: str) -> dict[str, float]:
    began_s = time.monotonic()
    last_old = _fill(baton)
    filled_s = time.monotonic() - began_s
    full_jobs = baton.jobs(OLD_JOBS, "noop")
    baton.start_all(children=_CHILDREN)
    baton.wait_for(lambda: recovery.is_open(baton.redis, "bench"), "the group to open")

    with _by_schedule(baton):
        alone = _look(baton, ALONE_S)
    full_alone = _full(baton, full_jobs)
    baton.start("background")
    with _by_schedule(baton):
        beside = _look(baton, BESIDE_S)
    full_beside = _full(baton, full_jobs)
    deleted = ROWS - _count(baton, JobLog.id <= last_old)
    if not deleted:
        raise AssertionError("the background process deleted nothing")
    return {
        f"retention_{name}_fill_s": round(filled_s, 1),
        f"retention_{name}_deleted": deleted,
        **_figures(f"retention_{name}_alone", alone),
        **_figures(f"retention_{name}_beside", beside),
        f"retention_{name}_full_alone_runs_per_s": round(full_alone),
        f"retention_{name}_full_beside_runs_per_s": round(full_beside),
        f"retention_{name}_full_falls_percent": round(100 * (1 - full_beside / full_alone), 1),
    }


def _figures(name: str, load: Load) -> dict[str, float]:
    return {
        f"{name}_runs_per_s": round(load.runs_per_s, 1),
        f"{name}_late_ms_median": load.late_ms_median,
        f"{name}_late_ms_p99": load.late_ms_p99,
        f"{name}_late_ms_worst": load.late_ms_worst,
    }


def _fill(baton: Installation) -> int:
    """Five million ended runs of the last sixty days; answers the id of the newest."""
    job_ids = baton.jobs(OLD_JOBS, "noop")
    end_ms = SYSTEM_CLOCK.now_ms() - 2 * 3600 * 1000
    every_ms = _DAYS * 86_400_000 // ROWS
    facts = {
        "group_id": baton.group_id, "first_job": job_ids[0], "jobs": OLD_JOBS, "rows": ROWS,
        "begin": end_ms - ROWS * every_ms, "every": every_ms,
    }  # fmt: skip
    with write(baton.engine) as connection:
        connection.execute(text(_FILL.format(numbers=_NUMBERS[connection.dialect.name])), facts)
    with read(baton.engine) as connection:
        return connection.execute(select(func.max(JobLog.id))).scalar_one()


@contextlib.contextmanager
def _by_schedule(baton: Installation) -> Iterator[None]:
    """500 jobs of every second, spread over the second."""
    now_ms = SYSTEM_CLOCK.now_ms()
    facts = {
        "group_id": baton.group_id, "schedule_type": "FIX_RATE", "schedule_conf": "1",
        "executor_handler": "noop", "trigger_status": 1, "created_at": now_ms, "updated_at": now_ms,
    }  # fmt: skip
    rows = [
        {**facts, "name": "by schedule", "next_trigger_time": now_ms + 2000 + n * 1000 // RUNS_PER_S}
        for n in range(RUNS_PER_S)
    ]
    with write(baton.engine) as connection:
        connection.execute(insert(Job), rows)
    nudge(baton.redis)
    time.sleep(5)
    yield
    with write(baton.engine) as connection:
        connection.execute(update(Job).where(Job.name == "by schedule").values(trigger_status=0))
    baton.wait_for(lambda: _unfinished(baton) == 0, "every run")


def _look(baton: Installation, for_s: int) -> Load:
    """Watch the load for so long."""
    first = _newest(baton)
    began_ms, began_s = SYSTEM_CLOCK.now_ms(), time.monotonic()
    time.sleep(for_s)
    # some of those that end now were there before
    ended = _count(baton, JobLog.id > first - RUNS_PER_S, JobLog.handle_time > began_ms)
    took_s = time.monotonic() - began_s
    with read(baton.engine) as connection:
        pushed = JobLog.id > first, JobLog.pushed_at > 0
        late_ms = sorted(
            connection.execute(select(JobLog.pushed_at - JobLog.fire_at).where(*pushed)).scalars()
        )
    return Load(ended / took_s, late_ms[len(late_ms) // 2], late_ms[int(len(late_ms) * 0.99)], late_ms[-1])


def _full(baton: Installation, job_ids: list[int]) -> float:
    """Runs a second when there are always some more."""
    first = _newest(baton)
    began_s = time.monotonic()
    while time.monotonic() < began_s + _FULL_S:
        if _unfinished(baton) < _QUEUED:
            baton.trigger(job_ids, _BATCH)
        else:
            time.sleep(0.02)
    ended = _count(baton, JobLog.id > first, JobLog.outcome.is_not(None))
    took_s = time.monotonic() - began_s
    baton.wait_for(lambda: _unfinished(baton) == 0, "every run")
    return ended / took_s


def _unfinished(baton: Installation) -> int:
    return _count(baton, JobLog.outcome.is_(None), JobLog.group_id == baton.group_id)


def _newest(baton: Installation) -> int:
    with read(baton.engine) as connection:
        return connection.execute(select(func.max(JobLog.id))).scalar_one()


def _count(baton: Installation, *where: ColumnElement[bool]) -> int:
    with read(baton.engine) as connection:
        return connection.execute(select(func.count()).select_from(JobLog).where(*where)).scalar_one()
