"""Which fire times count when a job is found due."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from baton.schedule.misfire import Decision, due_fires
from baton.vocabulary import TriggerType

T = 1_800_000_000_000  # a whole minute


@dataclass(frozen=True)
class Job:
    next_trigger_time: int = T
    schedule_type: str = "FIX_RATE"
    schedule_conf: str = "10"
    time_zone: str = "UTC"
    misfire_strategy: str = "DO_NOTHING"


CRON, MISFIRE = TriggerType.CRON, TriggerType.MISFIRE


@pytest.mark.parametrize(
    ("job", "now_ms", "expected"),
    [
        (Job(), T, Decision(((T, CRON),), T + 10_000, 0)),
        (Job(), T + 5_000, Decision(((T, CRON),), T + 10_000, 0)),
        (Job(), T + 5_001, Decision((), T + 10_000, 1)),
        (Job(misfire_strategy="FIRE_ONCE_NOW"), T + 5_001, Decision(((T, MISFIRE),), T + 10_000, 1)),
        (Job(misfire_strategy="FIRE_ONCE_NOW"), T + 29_000, Decision(((T, MISFIRE),), T + 30_000, 3)),
        # in time and missed at once: each counts as what it is
        (Job(misfire_strategy="FIRE_ONCE_NOW"), T + 12_000,
         Decision(((T, MISFIRE), (T + 10_000, CRON)), T + 20_000, 1)),
        # a hiccup shorter than the threshold loses nothing
        (Job(schedule_conf="1"), T + 3_200,
         Decision(tuple((T + n * 1000, CRON) for n in range(4)), T + 4_000, 0)),
        # years late costs no years of counting
        (Job(schedule_conf="1"), T + 10**11, Decision(
            tuple((T + 10**11 - 5_000 + n * 1000, CRON) for n in range(6)), T + 10**11 + 1_000, 1_000)),
        (Job(schedule_type="CRON", schedule_conf="* * * * *"), T, Decision(((T, CRON),), T + 60_000, 0)),
        (Job(schedule_type="CRON", schedule_conf="* * * * *"), T + 150_000, Decision((), T + 180_000, 3)),
    ],
)  # fmt: skip
def test_what_counts(job, now_ms, expected):
    assert due_fires(job, now_ms) == expected
