"""`kill -9` of executors in the middle of a run: how long until the row of each says that it was lost."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time

from sqlalchemy import select

from baton.store.engine import read
from baton.store.models import JobLog

from .installation import Installation, installation

EXECUTORS = 20
_WITHIN_S = 3.0
"""The kills are spread over a beat interval."""


def measure() -> dict[str, float]:
    """Seconds from the kill to the ended row, of twenty executors with the usual settings."""
    with installation() as baton:
        job_ids = baton.jobs(EXECUTORS, "stay")
        for name in ("scheduler", "callbacks"):
            baton.start(name)
        for n in range(EXECUTORS):
            baton.start("worker", called=f"worker {n}", BATON_CONCURRENCY="1", BATON_ASYNC_CONCURRENCY="1")
        baton.trigger(job_ids, len(job_ids), handler="stay")
        baton.wait_for(lambda: len(_starts(baton)) == EXECUTORS, "a run on every executor")
        killed_s = _kill(baton)
        took = sorted(_ended(baton, killed_s).values())
    return {
        "executor_lost_noticed_s_median": round(statistics.median(took), 2),
        "executor_lost_noticed_s_p99": round(took[-1], 2),
    }


def _starts(baton: Installation) -> dict[int, int]:
    """Executor's process -> log id of its run."""
    if not baton.starts.exists():
        return {}
    lines = [line.split() for line in baton.starts.read_text().splitlines()]
    return {int(parts[2]): int(parts[0]) for parts in lines if len(parts) == 3}


def _kill(baton: Installation) -> dict[int, float]:
    """Log id -> when the executor of that run was killed."""
    chance, killed_s = random.Random(1), {}
    moments = sorted((chance.uniform(0, _WITHIN_S), pid, log_id) for pid, log_id in _starts(baton).items())
    began_s = time.monotonic()
    for at_s, pid, log_id in moments:
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        os.kill(pid, signal.SIGKILL)
        killed_s[log_id] = time.monotonic()
    return killed_s


def _ended(baton: Installation, killed_s: dict[int, float]) -> dict[int, float]:
    took: dict[int, float] = {}
    while len(took) < len(killed_s):
        with read(baton.engine) as connection:
            ended = connection.execute(select(JobLog.id).where(JobLog.outcome == "lost")).scalars().all()
        for log_id in ended:
            took.setdefault(log_id, time.monotonic() - killed_s[log_id])
        time.sleep(0.02)
    return took
