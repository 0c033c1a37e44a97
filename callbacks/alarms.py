"""What people are told because a run ended: it failed for good, it began too late, it is well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from baton.store import alarms, lateness, runs
from baton.store.alarms import NewAlarm
from baton.store.lateness import DueRun
from baton.vocabulary import AlarmCondition, Outcome

from .followup import is_retried

LEAST_LATE_MS = 1_000
"""No limit is shorter: what began this soon is not looked at more closely."""
_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.EXPIRED})
_REFUSED_ON_PURPOSE = frozenset({Outcome.DISCARDED, Outcome.COVERED})
"""Told of only where the job asks for XXL-JOB's way."""


def raise_alarms(
    connection: Connection,
    ended: Sequence[runs.Finished],
    started_ms: Mapping[int, int],
    late_after_s: int,
    now_ms: int,
) -> int:
    """Write down what to tell, in the transaction that ends these rows; answers how much of it is new."""
    failed = [_failure(row) for row in ended if has_failed_for_good(row)]
    began = {row.log_id: started_ms.get(row.log_id, 0) for row in ended}
    asked = [row.log_id for row in ended if began[row.log_id] - row.fire_at_ms >= LEAST_LATE_MS]
    late = late_ones(lateness.of_rows(connection, asked, late_after_s), began)
    told = alarms.raise_alarms(connection, failed + late, now_ms)
    return told + alarms.recover(connection, well_again(ended), now_ms)


def has_failed_for_good(row: runs.Finished) -> bool:
    """Whether people should know (pure). A kill is somebody's own wish; a retry comes first."""
    outcome = Outcome(row.outcome)
    is_failure = outcome in _FAILURES or (row.retry_refused and outcome in _REFUSED_ON_PURPOSE)
    return is_failure and not is_retried(row)


def late_ones(due: Sequence[DueRun], began_ms: Mapping[int, int]) -> list[NewAlarm]:
    """The alarms of those that began too late (pure)."""
    return [
        NewAlarm(
            f"late:{run.log_id}",
            AlarmCondition.LATE,
            run.group_id,
            run.job_id,
            run.log_id,
            f"it began {(began_ms[run.log_id] - run.due_ms) / 1000:,.0f} s late",
        )
        for run in due
        if run.is_late(began_ms[run.log_id])
    ]


def well_again(ended: Sequence[runs.Finished]) -> set[int]:
    """The jobs whose last ending here is a success (pure): one that failed after it is not well."""
    last = {row.job_id: row for row in ended if row.outcome == Outcome.SUCCEEDED or has_failed_for_good(row)}
    return {job_id for job_id, row in last.items() if row.outcome == Outcome.SUCCEEDED}


def _failure(row: runs.Finished) -> NewAlarm:
    return NewAlarm(f"failed:{row.log_id}", AlarmCondition.FAILED, row.group_id, row.job_id, row.log_id)
