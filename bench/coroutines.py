"""A hundred coroutines that each wait for a second, on one executor: how long they take together."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from baton.broker.nudge import nudge
from baton.store.engine import read
from baton.store.models import JobLog

from .installation import Installation, installation

RUNS = 100
_ROUNDS = 5


def measure() -> dict[str, float]:
    """Seconds from the committed rows to the last applied result: for one run, and for a hundred."""
    with installation() as baton:
        job_ids = baton.jobs(RUNS, "wait-a-second")
        baton.start_all(children=2)
        _seconds(baton, job_ids[:1])
        one = min(_seconds(baton, job_ids[:1]) for _ in range(_ROUNDS))
        all_of_them = min(_seconds(baton, job_ids) for _ in range(_ROUNDS))
    return {"one_coroutine_s": round(one, 3), "hundred_coroutines_s": round(all_of_them, 3)}


def _seconds(baton: Installation, job_ids: list[int]) -> float:
    baton.insert(job_ids, range(len(job_ids)), handler="wait-a-second")
    began_s = time.monotonic()
    nudge(baton.redis)
    baton.wait_for(lambda: _unfinished(baton) == 0, "all runs to end")
    return time.monotonic() - began_s


def _unfinished(baton: Installation) -> int:
    with read(baton.engine) as connection:
        return connection.execute(
            select(func.count()).select_from(JobLog).where(JobLog.outcome.is_(None))
        ).scalar_one()
