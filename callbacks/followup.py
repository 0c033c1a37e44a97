"""What follows from an ending: here, what the job's retry count says. Pure."""

from __future__ import annotations

from baton.store import runs, triggers
from baton.vocabulary import Outcome, TriggerType

_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})
_REFUSED_ON_PURPOSE = frozenset({Outcome.DISCARDED, Outcome.COVERED})
"""Retried only where the job asks for XXL-JOB's way: the retry of a covered run would cover its successor."""


def follow(ended: runs.Finished) -> list[triggers.NewTrigger]:
    """The triggers to insert in the transaction that ends the row."""
    return [_retry(ended)] if _is_retried(ended) else []


def _is_retried(ended: runs.Finished) -> bool:
    if ended.executor_fail_retry_count <= 0:
        return False
    outcome = Outcome(ended.outcome)
    return outcome in _FAILURES or (ended.retry_refused and outcome in _REFUSED_ON_PURPOSE)


def _retry(ended: runs.Finished) -> triggers.NewTrigger:
    return triggers.NewTrigger(
        job_id=ended.job_id,
        group_id=ended.group_id,
        trigger_key=triggers.key_retry(ended.log_id),
        trigger_type=TriggerType.RETRY,
        fire_at_ms=ended.fire_at_ms,
        executor_handler=ended.executor_handler,
        executor_param=ended.executor_param,
        executor_fail_retry_count=ended.executor_fail_retry_count - 1,
        executor_timeout=ended.executor_timeout,
        block_strategy=ended.block_strategy,
        on_lost=ended.on_lost,
        attempt=ended.attempt + 1,
        parent_log_id=ended.log_id,
        shard_index=ended.shard_index,
        shard_total=ended.shard_total,
    )
