from __future__ import annotations

from typing import Any

import pytest

from baton.store.runs import Finished
from baton.store.triggers import NewTrigger
from baton.vocabulary import Outcome
from callbacks.followup import follow


def ended(outcome: Outcome = Outcome.FAILED, **fields: Any) -> Finished:
    values: dict[str, Any] = {
        "log_id": 8, "job_id": 3, "group_id": 2, "outcome": outcome.value, "fire_at_ms": 1_000,
        "executor_handler": "report", "executor_param": "p", "executor_fail_retry_count": 2,
        "executor_timeout": 9, "block_strategy": "COVER_EARLY", "on_lost": "RERUN", "attempt": 4,
        "shard_index": 1, "shard_total": 5, "retry_refused": False,
    }  # fmt: skip
    return Finished(**(values | fields))


def test_a_retry_is_the_same_trigger_with_one_retry_less() -> None:
    assert follow(ended()) == [
        NewTrigger(
            job_id=3,
            group_id=2,
            trigger_key="retry:8",
            trigger_type="RETRY",
            fire_at_ms=1_000,
            executor_handler="report",
            executor_param="p",
            executor_fail_retry_count=1,
            executor_timeout=9,
            block_strategy="COVER_EARLY",
            on_lost="RERUN",
            attempt=5,
            parent_log_id=8,
            shard_index=1,
            shard_total=5,
        )
    ]


@pytest.mark.parametrize(
    ("outcome", "by_default", "as_the_job_says"),
    [
        (Outcome.SUCCEEDED, 0, 0),
        (Outcome.FAILED, 1, 1),
        (Outcome.TIMED_OUT, 1, 1),
        (Outcome.LOST, 1, 1),
        (Outcome.KILLED, 0, 0),
        (Outcome.COVERED, 0, 1),
        (Outcome.DISCARDED, 0, 1),
        (Outcome.REFUSED, 0, 0),
    ],
)
def test_which_endings_are_retried(outcome: Outcome, by_default: int, as_the_job_says: int) -> None:
    assert len(follow(ended(outcome))) == by_default
    assert len(follow(ended(outcome, retry_refused=True))) == as_the_job_says


@pytest.mark.parametrize("outcome", list(Outcome))
def test_without_retries_left_nothing_follows(outcome: Outcome) -> None:
    assert follow(ended(outcome, executor_fail_retry_count=0, retry_refused=True)) == []
