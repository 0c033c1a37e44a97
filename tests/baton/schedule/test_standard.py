"""Standard expressions: the walk through the calendar finds what croniter finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baton.schedule import Schedule, next_fire
from baton.schedule.cron import LATEST_MS


def a_field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    step = st.integers(1, high)
    ordered = st.tuples(number, number).map(sorted)
    items = st.one_of(
        st.just("*"),
        number.map(str),
        step.map("*/{}".format),
        st.tuples(number, step).map(lambda each: f"{each[0]}/{each[1]}"),
        ordered.map(lambda each: f"{each[0]}-{each[1]}"),
        st.tuples(ordered, step).map(lambda each: f"{each[0][0]}-{each[0][1]}/{each[1]}"),
    )
    return st.lists(items, min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.tuples(
    a_field(0, 59), a_field(0, 23), a_field(1, 31), a_field(1, 12) | st.sampled_from(["JAN", "feb-APR"]),
    a_field(0, 7) | st.sampled_from(["MON", "tue-FRI", "sun"]),
).map(" ".join)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, st.datetimes(datetime(2000, 1, 1), datetime(2080, 1, 1)))
@example("0 0 29 2 *", datetime(2028, 2, 29))
@example("0 0 31 2,4 1", datetime(2028, 2, 29))
@example("0 0 1-31 * 1", datetime(2028, 2, 29))
@example("0 0 *,5 * 1", datetime(2028, 2, 29))
@example("0 0 29 2 *", datetime(2097, 1, 1))
def test_fire_times_are_those_of_croniter(expression, after):
    after = after.replace(microsecond=0, tzinfo=UTC)
    try:
        theirs = croniter(expression, after, datetime, max_years_between_matches=9).get_next()
    except CroniterBadDateError:
        theirs = None
    expected = None if theirs is None or theirs.timestamp() * 1000 >= LATEST_MS else theirs

    found = next_fire(Schedule("CRON", expression), round(after.timestamp() * 1000))
    assert found == (None if expected is None else expected.timestamp() * 1000)


def test_croniter_alone_would_run_a_repeated_time_of_day_twice():
    """One reason why it does not look for times here: when this fails, croniter has learned it."""
    times = croniter("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/Berlin")))

    assert [times.get_next(datetime).day for _ in range(3)] == [25, 25, 26]


def test_a_start_before_1970_finds_the_first_time_there_is():
    assert next_fire(Schedule("CRON", "0 0 * * *"), -1) == 0
    assert next_fire(Schedule("CRON", "0 0 * * *"), -(10**15)) == 0


def test_standard_expressions_end_with_the_century():
    last = datetime(2099, 12, 31, tzinfo=UTC)

    assert next_fire(Schedule("CRON", "0 0 * * *"), round((last - timedelta(1)).timestamp() * 1000)) == round(
        last.timestamp() * 1000
    )
    assert next_fire(Schedule("CRON", "0 0 * * *"), round(last.timestamp() * 1000)) is None
