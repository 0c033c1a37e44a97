"""A hundred coroutines that each wait for a second, on one executor: how long they take together."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from baton.broker.nudge import nudge
from baton.clock import SYSTEM_CLOCK
from baton.store import triggers
from baton.store.engine import read, write
from baton.store.models import JobLog
from baton.store.triggers import NewTrigger
from baton.vocabulary import BlockStrategy, OnLost, TriggerType

from .installation import Installation, installation

RUNS = 100
_ROUNDS = 5


def measure() -> dict[str, float]:
    """Seconds from the committed rows to the last applied result: for one run, and for a hundred."""
    with installation() as baton:
        job_ids = baton.jobs(RUNS, "wait-a-second")
        baton.start_all(children=2)
        _seconds(baton, job_ids[:1], "warm")
        one = min(_seconds(baton, job_ids[:1], f"one-{n}") for n in range(_ROUNDS))
        all_of_them = min(_seconds(baton, job_ids, f"all-{n}") for n in range(_ROUNDS))
    return {"one_coroutine_s": round(one, 3), "hundred_coroutines_s": round(all_of_them, 3)}


def _seconds(baton: Installation, job_ids: list[int], name: str) -> float:
    now_ms = SYSTEM_CLOCK.now_ms()
    rows = [
        NewTrigger(
            job_id=job_id,
            group_id=baton.group_id,
            trigger_key=triggers.key_manual(f"{name}-{job_id}"),
            trigger_type=TriggerType.MANUAL,
            fire_at_ms=now_ms,
            executor_handler="wait-a-second",
            executor_param="",
            executor_fail_retry_count=0,
            executor_timeout=0,
            block_strategy=BlockStrategy.SERIAL_EXECUTION,
            on_lost=OnLost.FAIL,
        )
        for job_id in job_ids
    ]
    with write(baton.engine) as connection:
        triggers.plan(connection, rows, now_ms)
    began_s = time.monotonic()
    nudge(baton.redis)
    baton.wait_for(lambda: _unfinished(baton) == 0, "all runs to end")
    return time.monotonic() - began_s


def _unfinished(baton: Installation) -> int:
    with read(baton.engine) as connection:
        return connection.execute(
            select(func.count()).select_from(JobLog).where(JobLog.outcome.is_(None))
        ).scalar_one()
