"""What holds for every schedule, whatever it says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import Schedule, check, following, next_fire, upcoming, within

BEGIN, END = 1_700_000_000_000, 1_900_000_000_000
MOMENTS = st.integers(BEGIN, END)
KINDS = st.one_of(
    st.tuples(
        st.just("CRON"),
        st.sampled_from(
            [
                "* * * * *", "*/7 2 * * *", "30 2 * * *", "0 0 1 * *", "5 4 * * SUN", "0 0/10 1-3 * * ?",
                "0 30 1 ? * 6#3", "0 0 3 LW * ?", "0 15 2 15W * ? 2024-2030",
            ]
        ),
    ),
    st.tuples(st.sampled_from(["FIX_RATE", "FIX_DELAY"]), st.sampled_from(["1", "7", "3600", "86400"])),
    st.tuples(st.just("ONCE"), st.sampled_from(["2026-03-08T02:30", "2026-10-25T02:30", "2027-05-01T00:00"])),
    st.just(("NONE", "")),
)  # fmt: skip
SCHEDULES = st.builds(
    lambda kind, zone, gap, fold, start_at, length_ms, calendar: Schedule(
        *kind, zone, gap, fold, start_at, start_at + length_ms if length_ms else 0, calendar
    ),
    KINDS,
    st.sampled_from(["UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo"]),
    st.sampled_from(["RUN_AFTER", "SKIP"]),
    st.sampled_from(["ONCE", "BOTH"]),
    st.just(0) | MOMENTS,
    st.just(0) | st.integers(1_000, 10**10),
    st.sampled_from(["", "SAT-SUN", "22:00-06:00", "2026-01-01..2026-06-30\nMON 02:00-03:00"]),
)


@settings(max_examples=400, deadline=None)
@given(SCHEDULES, MOMENTS)
def test_the_next_time_is_after_now_within_the_bounds_and_said_again(schedule, now_ms):
    found = next_fire(schedule, now_ms)
    if found is None:
        return

    assert found > now_ms
    assert found >= schedule.start_at
    assert not schedule.end_at or found <= schedule.end_at
    assert next_fire(schedule, now_ms) == found
    if schedule.type != "FIX_DELAY":
        # asked from any moment in between, it is still the next
        between = now_ms + (found - now_ms) // 2
        assert following(schedule, now_ms, between) == found


@settings(max_examples=200, deadline=None)
@given(SCHEDULES, MOMENTS)
def test_times_only_go_forward(schedule, now_ms):
    times = upcoming(schedule, now_ms, 10)

    assert [now_ms, *times] == sorted({now_ms, *times})


@settings(max_examples=200, deadline=None)
@given(SCHEDULES, MOMENTS)
def test_the_past_is_what_the_future_was(schedule, now_ms):
    times = upcoming(schedule, now_ms, 8)
    if len(times) < 2:
        return

    assert within(schedule, times[len(times) // 2], times[0], times[-1], 100) == times[:-1]


@settings(max_examples=100, deadline=None)
@given(SCHEDULES, MOMENTS)
def test_what_passed_the_check_can_be_followed(schedule, now_ms):
    try:
        check(schedule)
    except ScheduleError:
        return
    next_fire(schedule, now_ms)
