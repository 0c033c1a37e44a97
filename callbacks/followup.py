"""What follows from an ending: the retry of a failure, the child jobs of a success."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from baton.store import followups, runs, triggers
from baton.store.followups import FollowUps
from baton.vocabulary import Outcome, RetryBackoff, TriggerType

_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})
_REFUSED_ON_PURPOSE = frozenset({Outcome.DISCARDED, Outcome.COVERED})
"""Retried only where the job asks for XXL-JOB's way: the retry of a covered run would cover its successor."""
_JITTER = 0.1
"""A pause is up to so much of itself longer or shorter: what failed together is not tried together."""
_NOTHING_SPECIAL = FollowUps()


def follow(connection: Connection, ended: Sequence[runs.Finished], now_ms: int) -> list[triggers.NewTrigger]:
    """The triggers to insert in the transaction that ends these rows."""
    said = followups.of_jobs(connection, {row.job_id for row in ended if _may_be_followed(row)})
    retries = [
        retry_of(row, said.get(row.job_id, _NOTHING_SPECIAL), now_ms) for row in ended if is_retried(row)
    ]
    return retries + _children(connection, ended, said, now_ms)


def is_retried(ended: runs.Finished) -> bool:
    """Whether a failure has a retry left (pure)."""
    if ended.executor_fail_retry_count <= 0:
        return False
    outcome = Outcome(ended.outcome)
    return outcome in _FAILURES or (ended.retry_refused and outcome in _REFUSED_ON_PURPOSE)


def retry_of(ended: runs.Finished, said: FollowUps, now_ms: int) -> triggers.NewTrigger:
    """The same trigger with one retry less, after the job's pause (pure)."""
    pause_ms = pause_before_retry_ms(ended, said)
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
        not_before_ms=now_ms + pause_ms if pause_ms else 0,
    )


def pause_before_retry_ms(ended: runs.Finished, said: FollowUps) -> int:
    """How long the retry waits: the same for the same row, whoever asks (pure)."""
    if said.retry_delay_s <= 0:
        return 0
    doublings = min(ended.attempt - 1, 30) if said.retry_backoff == RetryBackoff.EXPONENTIAL else 0
    pause_s = min(said.retry_delay_s << doublings, said.retry_delay_max_s)
    chance = hashlib.sha256(b"retry %d" % ended.log_id).digest()[0] / 255
    return round(pause_s * 1000 * (1 + _JITTER * (2 * chance - 1)))


def _may_be_followed(ended: runs.Finished) -> bool:
    return ended.outcome == Outcome.SUCCEEDED or is_retried(ended)


def _children(
    connection: Connection,
    ended: Iterable[runs.Finished],
    said: Mapping[int, FollowUps],
    now_ms: int,
) -> list[triggers.NewTrigger]:
    wanted: list[tuple[int, int]] = []
    for row in ended:
        children = said.get(row.job_id, _NOTHING_SPECIAL).child_job_ids
        if row.outcome != Outcome.SUCCEEDED or not children:
            continue
        parent = followups.finished_broadcast(connection, row.log_id) if row.shard_total > 1 else row.log_id
        wanted += [(parent, child) for child in children if parent is not None]
    jobs = followups.children(connection, {child for _, child in wanted})
    for parent, child in wanted:
        if child not in jobs:
            runs.note(connection, parent, f"child job {child} was not triggered: there is no such job")
    return [
        triggers.of_job(
            jobs[child], triggers.key_parent(parent), TriggerType.PARENT, now_ms, parent_log_id=parent
        )
        for parent, child in wanted
        if child in jobs
    ]
