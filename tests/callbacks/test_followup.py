from __future__ import annotations

from typing import Any

import pytest

from baton.store.followups import FollowUps
from baton.store.runs import Finished
from baton.store.triggers import NewTrigger
from baton.vocabulary import Outcome
from callbacks.followup import is_retried, pause_before_retry_ms, retry_of


def ended(outcome: Outcome = Outcome.FAILED, **fields: Any) -> Finished:
    values: dict[str, Any] = {
        "log_id": 8, "job_id": 3, "group_id": 2, "outcome": outcome.value, "fire_at_ms": 1_000,
        "executor_handler": "report", "executor_param": "p", "executor_fail_retry_count": 2,
        "executor_timeout": 9, "block_strategy": "COVER_EARLY", "on_lost": "RERUN", "attempt": 4,
        "shard_index": 1, "shard_total": 5, "retry_refused": False,
            "due_ms": 1_000, "started_ms": 1_500, "ended_ms": 2_000,
    }  # fmt: skip
    return Finished(**(values | fields))


def test_a_retry_is_the_same_trigger_with_one_retry_less() -> None:
    assert retry_of(ended(), FollowUps(), 50) == NewTrigger(
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


@pytest.mark.parametrize(
    ("outcome", "by_default", "as_the_job_says"),
    [
        (Outcome.SUCCEEDED, False, False),
        (Outcome.FAILED, True, True),
        (Outcome.TIMED_OUT, True, True),
        (Outcome.LOST, True, True),
        (Outcome.KILLED, False, False),
        (Outcome.COVERED, False, True),
        (Outcome.DISCARDED, False, True),
        (Outcome.REFUSED, False, False),
        (Outcome.EXPIRED, False, False),
    ],
)
def test_which_endings_are_retried(outcome: Outcome, by_default: bool, as_the_job_says: bool) -> None:
    assert is_retried(ended(outcome)) is by_default
    assert is_retried(ended(outcome, retry_refused=True)) is as_the_job_says
    assert not is_retried(ended(outcome, retry_refused=True, executor_fail_retry_count=0))


@pytest.mark.parametrize(
    ("backoff", "pauses_s"),
    [("FIXED", [10, 10, 10, 10, 10]), ("EXPONENTIAL", [10, 20, 40, 60, 60])],
)
def test_the_pause_before_a_retry_grows_as_the_job_says(backoff: str, pauses_s: list[int]) -> None:
    said = FollowUps(retry_delay_s=10, retry_backoff=backoff, retry_delay_max_s=60)

    for attempt, pause_s in enumerate(pauses_s, 1):
        pauses_ms = {pause_before_retry_ms(ended(attempt=attempt, log_id=n), said) for n in range(200)}
        assert pause_s * 900 <= min(pauses_ms) <= max(pauses_ms) <= pause_s * 1100
        assert len(pauses_ms) > 50, "what failed together is not tried together"
    assert pause_before_retry_ms(ended(), FollowUps()) == 0
    again = [retry_of(ended(), said, 50).not_before_ms for _ in range(2)]
    assert again[0] == again[1] > 9_000
