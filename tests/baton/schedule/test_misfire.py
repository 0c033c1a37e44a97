"""Which fire times count when a job is found due."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import AWAITING_END_MS, Schedule, following, next_fire
from baton.schedule.cron import LATEST_MS
from baton.schedule.misfire import COUNT_LIMIT, MOST_CATCHUP, Decision, MisfireRule, due_fires
from baton.vocabulary import TriggerType

T = 1_800_000_000_000  # a whole minute


def decide(
    planned_ms: int = T,
    schedule_type: str = "FIX_RATE",
    conf: str = "10",
    *,
    now_ms: int = T,
    strategy: str = "DO_NOTHING",
    limits: tuple[int, int] = (10, 86_400),
    most_made_up: int = 1000,
    **schedule: Any,
) -> Decision:
    return due_fires(
        Schedule(schedule_type, conf, **schedule), planned_ms, MisfireRule(strategy, *limits), now_ms,
        most_made_up=most_made_up,
    )  # fmt: skip


CRON, MISFIRE = TriggerType.CRON, TriggerType.MISFIRE
DELAY = {"schedule_type": "FIX_DELAY", "conf": "1"}
EVERY_MINUTE = {"schedule_type": "CRON", "conf": "* * * * *"}


@pytest.mark.parametrize(
    ("job", "now_ms", "expected"),
    [
        ({}, T - 1, Decision((), T, 0)),
        ({}, T, Decision(((T, CRON),), T + 10_000, 0)),
        ({}, T + 5_000, Decision(((T, CRON),), T + 10_000, 0)),
        ({}, T + 5_001, Decision((), T + 10_000, 1)),
        ({"strategy": "FIRE_ONCE_NOW"}, T + 5_001, Decision(((T, MISFIRE),), T + 10_000, 1)),
        ({"strategy": "FIRE_ONCE_NOW"}, T + 29_000, Decision(((T, MISFIRE),), T + 30_000, 3)),
        # in time and missed at once: each counts as what it is
        ({"strategy": "FIRE_ONCE_NOW"}, T + 12_000,
         Decision(((T, MISFIRE), (T + 10_000, CRON)), T + 20_000, 1)),
        # a hiccup shorter than the threshold loses nothing
        ({"conf": "1"}, T + 3_200,
         Decision(tuple((T + n * 1000, CRON) for n in range(4)), T + 4_000, 0)),
        # years late costs no years of counting
        ({"conf": "1"}, T + 10**11, Decision(
            tuple((T + 10**11 - 5_000 + n * 1000, CRON) for n in range(6)), T + 10**11 + 1_000, 10**8 - 5)),
        (EVERY_MINUTE, T, Decision(((T, CRON),), T + 60_000, 0)),
        (EVERY_MINUTE, T + 150_000, Decision((), T + 180_000, 3)),
        # a fixed delay fires once, however often it might have
        (DELAY, T + 4_000, Decision(((T, CRON),), AWAITING_END_MS, 0)),
        (DELAY, T + 5_001, Decision((), T + 6_001, 1)),
        ({**DELAY, "strategy": "FIRE_ONCE_NOW"}, T + 10**9, Decision(((T, MISFIRE),), AWAITING_END_MS, 1)),
        # what its end leaves of it
        ({"end_at": T + 9_999}, T, Decision(((T, CRON),), None, 0)),
        ({"end_at": T + 12_000}, T + 60_000, Decision((), None, 2)),
    ],
)  # fmt: skip
def test_what_counts(job, now_ms, expected):
    assert decide(now_ms=now_ms, **job) == expected


def test_a_cron_that_slept_for_years_is_counted_up_to_a_limit():
    decision = decide(**EVERY_MINUTE, now_ms=T + 10**11)

    assert (decision.missed, decision.fires) == (COUNT_LIMIT, ())
    assert decision.next_ms == T + 10**11 + 20_000


@pytest.mark.parametrize(("schedule_type", "conf"), [("CRON", "0 0 1 1 *"), ("FIX_RATE", "60")])
def test_a_job_that_was_never_planned_has_missed_nothing(schedule_type, conf):
    decision = decide(0, schedule_type, conf)

    assert (decision.fires, decision.missed) == ((), 0)
    assert decision.next_ms > T


def test_a_job_that_lost_its_schedule_fires_no_more():
    assert decide(schedule_type="NONE", conf="") == Decision((), None, 0)


def test_the_last_fire_time_fires_though_none_follows():
    last = LATEST_MS + 1

    assert decide(last, **EVERY_MINUTE, now_ms=last) == Decision(((last, CRON),), None, 0)


@pytest.mark.parametrize(
    ("rules", "next_ms"), [({}, 1_772_953_200_000), ({"gap": "SKIP"}, 1_773_037_800_000)]
)
def test_the_jobs_own_rule_for_clock_changes_counts(rules, next_ms):
    """02:30 in New York, which 8 March 2026 does not have."""
    before = 1_772_868_600_000
    decision = decide(before, "CRON", "0 30 2 * * ?", now_ms=before, time_zone="America/New_York", **rules)

    assert decision == Decision(((before, CRON),), next_ms, 0)


def test_an_unknown_misfire_strategy_is_refused_with_the_choice():
    with pytest.raises(ScheduleError, match="'GUESS' is not known: use one of DO_NOTHING, FIRE_ONCE_NOW"):
        decide(strategy="GUESS")


def test_a_cron_of_every_second_that_slept_for_a_year_makes_up_for_the_newest():
    every_second = {"schedule_type": "CRON", "conf": "* * * * * ?"}
    now = T + 366 * 86_400_000
    decision = decide(**every_second, now_ms=now, strategy="FIRE_ALL", limits=(10**6, 10**6))

    made_up = [at for at, kind in decision.fires if kind is MISFIRE]
    assert made_up == [now - 6_000 - n * 1000 for n in reversed(range(MOST_CATCHUP))]


def test_what_is_too_much_for_one_decision_is_gone_on_with_in_the_next():
    now, at, fires = T + 76_000, T, []
    while at <= now:
        decision = decide(at, now_ms=now, strategy="FIRE_ALL", limits=(5, 60), most_made_up=2)
        assert len(decision.fires) <= 3
        fires += decision.fires
        at = decision.next_ms

    assert fires == [(T + n * 10_000, MISFIRE) for n in range(3, 8)]
    assert at == T + 80_000


SCHEDULES = st.sampled_from(
    [
        ("FIX_RATE", "1"), ("FIX_RATE", "7"), ("FIX_RATE", "3600"),
        ("CRON", "* * * * *"), ("CRON", "*/7 2 * * *"),
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    SCHEDULES,
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.sampled_from(["DO_NOTHING", "FIRE_ONCE_NOW"]),
    st.integers(1_770_000_000_000, 1_800_000_000_000),
    st.integers(0, 400_000) | st.integers(0, 10**10),
    st.integers(0, 120_000),
)
def test_each_fire_time_is_planned_once_or_missed_and_the_next_is_after_now(
    kind, zone, strategy, before_ms, late_ms, threshold_ms
):
    schedule = Schedule(*kind, zone)
    planned_ms = next_fire(schedule, before_ms)
    now_ms = planned_ms + late_ms
    decision = due_fires(schedule, planned_ms, MisfireRule(strategy), now_ms, threshold_ms=threshold_ms)

    assert decision.next_ms > now_ms
    on_time = [at for at, kind in decision.fires if kind is CRON]
    assert all(now_ms - threshold_ms <= at <= now_ms for at in on_time)
    misfires = [at for at, kind in decision.fires if kind is MISFIRE]
    assert misfires == ([planned_ms] if decision.missed and strategy == "FIRE_ONCE_NOW" else [])
    # a walk through the schedule meets exactly the missed ones, those on time, and the next
    at, walked = planned_ms, []
    while at <= now_ms and len(walked) < 500:
        walked.append(at)
        at = following(schedule, at, at)
    if len(walked) < 500:
        missed = [at for at in walked if at < now_ms - threshold_ms]
        assert walked == missed + on_time
        assert decision.missed in {len(missed), COUNT_LIMIT}
        assert decision.next_ms == at
