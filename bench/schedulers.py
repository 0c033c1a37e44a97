"""Three schedulers on PostgreSQL, one of them killed every few seconds: what is lost, doubled, or late?

The private cluster is that of the tests; it does not wait for a disk.
"""

from __future__ import annotations

import itertools
import time

from sqlalchemy import func, insert, select

from baton.broker import recovery
from baton.clock import SYSTEM_CLOCK
from baton.store.engine import read, write
from baton.store.models import Job, JobLog
from tests.postgres import Cluster

from .installation import APP_NAME, Installation, installation

JOBS = 500
SECONDS = 40
SCHEDULERS = 3
_KILL_EVERY_S = 5
_SHIFT_S = 0.13
"""The kills wander through the second, so that they also meet a scheduler while it plans or pushes."""
_LEAD_S = 3
LONGEST_GAP_MS = 2000


def measure() -> dict[str, float]:
    """500 jobs of every second for 40 seconds; raises if a row is lost, doubled, or later than 2 s."""
    cluster = Cluster.start()
    try:
        with installation(cluster.url(cluster.create())) as baton:
            return _measure(baton)
    finally:
        cluster.stop()


def _measure(baton: Installation) -> dict[str, float]:
    names = [f"scheduler-{n}" for n in range(SCHEDULERS)]
    for name in names:
        baton.start("scheduler", called=name)
    baton.wait_for(lambda: recovery.is_open(baton.redis, APP_NAME), "the group to open")
    first_ms = (SYSTEM_CLOCK.now_ms() // 1000 + _LEAD_S) * 1000
    last_ms = first_ms + (SECONDS - 1) * 1000
    job_ids = _make_jobs(baton, first_ms, last_ms)
    kills = _kill_one_by_one(baton, names, last_ms)
    baton.wait_for(lambda: _waiting(baton, first_ms, last_ms) == 0, "every row to be pushed")
    late_ms = _judge(baton, job_ids, first_ms, last_ms)
    return {
        "schedulers_killed": kills,
        "schedulers_rows": len(late_ms),
        "schedulers_late_ms_p99": late_ms[int(len(late_ms) * 0.99)],
        "schedulers_late_ms_worst": late_ms[-1],
    }


def _make_jobs(baton: Installation, first_ms: int, last_ms: int) -> list[int]:
    facts = {
        "group_id": baton.group_id,
        "schedule_type": "FIX_RATE",
        "schedule_conf": "1",
        "end_at": last_ms,
        "executor_handler": "noop",
        "trigger_status": 1,
        "next_trigger_time": first_ms,
        "created_at": first_ms,
        "updated_at": first_ms,
    }
    with write(baton.engine) as connection:
        connection.execute(insert(Job), [{**facts, "name": f"bench {n}"} for n in range(JOBS)])
        return list(connection.execute(select(Job.id)).scalars())


def _kill_one_by_one(baton: Installation, names: list[str], last_ms: int) -> int:
    """Each is followed by a new one at once, as a platform would do it; answers how many were killed."""
    for kills, name in enumerate(itertools.cycle(names)):
        time.sleep(_KILL_EVERY_S + _SHIFT_S)
        if last_ms < SYSTEM_CLOCK.now_ms():
            return kills
        baton.processes[name].kill()
        baton.processes[name].wait()
        baton.start("scheduler", called=name)
    raise AssertionError("there are no schedulers")


def _waiting(baton: Installation, first_ms: int, last_ms: int) -> int:
    wanted = JobLog.fire_at.between(first_ms, last_ms), JobLog.pushed_at > 0
    with read(baton.engine) as connection:
        pushed = connection.execute(select(func.count()).select_from(JobLog).where(*wanted)).scalar_one()
    return JOBS * SECONDS - pushed


def _judge(baton: Installation, job_ids: list[int], first_ms: int, last_ms: int) -> list[int]:
    with read(baton.engine) as connection:
        rows = connection.execute(select(JobLog.job_id, JobLog.fire_at, JobLog.pushed_at)).all()
    found = [(job_id, fire_at) for job_id, fire_at, _ in rows]
    expected = {(job_id, at) for job_id in job_ids for at in range(first_ms, last_ms + 1, 1000)}
    if len(found) != len(set(found)) or set(found) != expected:
        raise AssertionError(f"{len(found)} rows for {len(expected)} fire times")
    late_ms = sorted(pushed_at - fire_at for _, fire_at, pushed_at in rows)
    if late_ms[-1] > LONGEST_GAP_MS:
        raise AssertionError(f"a row was pushed {late_ms[-1]} ms late")
    return late_ms
