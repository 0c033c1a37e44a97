"""The whole path: a row inserted, pushed, run in a child process with a log file, called back, finished."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from baton.store.engine import read
from baton.store.models import JobLog
from baton.vocabulary import Outcome

from .installation import Installation, installation

RUNS = 20_000
JOBS = 200
CHILDREN = 4
_WARM_RUNS = 1_000


def measure() -> dict[str, float]:
    """20,000 no-op runs over 200 jobs with one scheduler, one callbacks and one worker."""
    with installation() as baton:
        job_ids = baton.jobs(JOBS, "noop")
        baton.start_all(children=CHILDREN)
        baton.trigger(job_ids, _WARM_RUNS)
        baton.wait_for(lambda: _succeeded(baton) == _WARM_RUNS, "the warm-up")
        commands, cpu_s = baton.commands(), baton.cpu_s()
        began_s = time.monotonic()
        baton.trigger(job_ids, RUNS)
        inserted_s = time.monotonic() - began_s
        baton.wait_for(lambda: _last_has_ended(baton), "the last run")
        baton.wait_for(lambda: _succeeded(baton) == _WARM_RUNS + RUNS, "every run")
        took_s = time.monotonic() - began_s
        commands = baton.commands() - commands
        cpu_us = {
            f"cpu_us_per_run_{name}": round((used - cpu_s[name]) * 1e6 / RUNS, 1)
            for name, used in baton.cpu_s().items()
        }
        _all_logs_are_there(baton)
    return {
        "whole_path_runs": RUNS,
        "whole_path_runs_per_s": round(RUNS / took_s),
        "whole_path_insert_s": round(inserted_s, 2),
        "redis_commands_per_run": round(commands / RUNS, 2),
        **cpu_us,
    }


def _last_has_ended(baton: Installation) -> bool:
    """Cheap: it is asked twenty times a second while the figure is made."""
    with read(baton.engine) as connection:
        newest = connection.execute(select(JobLog.outcome).order_by(JobLog.id.desc()).limit(1)).scalar()
    return newest is not None


def _succeeded(baton: Installation) -> int:
    with read(baton.engine) as connection:
        return connection.execute(
            select(func.count()).select_from(JobLog).where(JobLog.outcome == Outcome.SUCCEEDED)
        ).scalar_one()


def _all_logs_are_there(baton: Installation) -> None:
    found = sum(1 for _ in (baton.folder / "logs").glob("*/*.log"))
    if found != RUNS + _WARM_RUNS:
        raise AssertionError(f"{found} run logs, not {RUNS + _WARM_RUNS}")
