"""What people are told because a run ended: it failed for good, it began too late, it is well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from baton.store import alarms, runs
from baton.store.alarms import NewAlarm
from baton.vocabulary import AlarmCondition, Outcome

from .followup import is_retried

_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.EXPIRED})
_REFUSED_ON_PURPOSE = frozenset({Outcome.DISCARDED, Outcome.COVERED})
"""Told of only where the job asks for XXL-JOB's way."""


def raise_alarms(
    connection: Connection,
    ended: Sequence[runs.Finished],
    started_ms: Mapping[int, int],
    late_after_ms: int,
    now_ms: int,
) -> int:
    """Write down what to tell, in the transaction that ends these rows; answers how much of it is new."""
    news = [alarm for row in ended for alarm in alarms_of(row, started_ms.get(row.log_id, 0), late_after_ms)]
    well = {row.job_id for row in ended if row.outcome == Outcome.SUCCEEDED}
    return alarms.raise_alarms(connection, news, now_ms) + alarms.recover(connection, well, now_ms)


def alarms_of(row: runs.Finished, started_ms: int, late_after_ms: int) -> list[NewAlarm]:
    """What this ending gives people to know (pure). A kill is somebody's own wish; a retry comes first."""
    outcome = Outcome(row.outcome)
    found = []
    is_failure = outcome in _FAILURES or (row.retry_refused and outcome in _REFUSED_ON_PURPOSE)
    if is_failure and not is_retried(row):
        found.append(_alarm("failed", AlarmCondition.FAILED, row))
    if late_after_ms and row.attempt == 1 and started_ms - row.fire_at_ms > late_after_ms:
        found.append(_alarm("late", AlarmCondition.LATE, row))
    return found


def _alarm(key: str, condition: AlarmCondition, row: runs.Finished) -> NewAlarm:
    return NewAlarm(f"{key}:{row.log_id}", condition, row.group_id, row.job_id, row.log_id)
