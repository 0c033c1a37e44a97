"""The Quartz dialect: what each form means, and what is refused."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import Schedule, check, next_fire
from baton.schedule.quartz import LAST_YEAR


def ms(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def fires(expression: str, after: str, count: int = 3, zone: str = "UTC") -> list[str]:
    at, found = ms(after, zone), []
    while len(found) < count and (at := next_fire(Schedule("CRON", expression, zone), at)) is not None:
        found.append(f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%y-%m-%d %a %H:%M:%S}")
    return found


def days(expression: str, after: str = "2025-12-31T23:59", count: int = 3) -> list[str]:
    return [each[:12] for each in fires(f"0 0 0 {expression}", after, count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * * ?", ["00:00", "00:01", "00:02"]),
        ("*/25 * * * * ?", ["00:00", "00:25", "00:50", "01:00"]),
        ("/25 * * * * ?", ["00:00", "00:25", "00:50", "01:00"]),
        ("5/25 * * * * ?", ["00:05", "00:30", "00:55", "01:05"]),
        ("5-9/2 * * * * ?", ["00:05", "00:07", "00:09", "01:05"]),
        ("58-1 * * * * ?", ["00:00", "00:01", "00:58", "00:59", "01:00"]),
        ("55-5/7 * * * * ?", ["00:02", "00:55", "01:02"]),
        ("30,10,,20,10 * * * * ?", ["00:10", "00:20", "00:30", "01:10"]),
        ("0 5 * * * ?", ["05:00"]),
        # what Quartz reads so, whether meant or not
        ("5/0 * * * * ?", ["00:05", "01:05"]),
        ("5-9/0 * * * * ?", ["00:05", "01:05"]),
        ("*/0 * * * * ?", ["00:00", "00:01"]),
        ("5X * * * * ?", ["00:05", "01:05"]),
        ("*5 * * * * ?", ["00:00", "00:01"]),
        ("99 * * * * ?", ["00:00", "00:01"]),
        ("99/30 * * * * ?", ["00:00", "00:30", "01:00"]),
        ("5,L * * * * ?", ["00:05", "01:05"]),
        ("0 5 * * * ? * and more", ["05:00"]),
    ],
)
def test_times_of_an_hour(expression, expected):
    found = fires(expression, "2025-12-31T23:59:59", len(expected))

    assert [each[-5:] for each in found] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1,15 * ?", ["26-01-01 Thu", "26-01-15 Thu", "26-02-01 Sun"]),
        ("1 FEB-apr,Nov ?", ["26-02-01 Sun", "26-03-01 Sun", "26-04-01 Wed", "26-11-01 Sun"]),
        ("1 11-2 ?", ["26-01-01 Thu", "26-02-01 Sun", "26-11-01 Sun"]),
        ("31 * ?", ["26-01-31 Sat", "26-03-31 Tue", "26-05-31 Sun"]),
        ("30-1 * ?", ["26-01-01 Thu", "26-01-30 Fri", "26-01-31 Sat", "26-02-01 Sun", "26-03-01 Sun"]),
        ("29 2 ?", ["28-02-29 Tue", "32-02-29 Sun"]),
        ("L * ?", ["26-01-31 Sat", "26-02-28 Sat", "26-03-31 Tue"]),
        ("L-3 * ?", ["26-01-28 Wed", "26-02-25 Wed", "26-03-28 Sat"]),
        ("L-30 * ?", ["26-01-01 Thu", "26-03-01 Sun", "26-05-01 Fri"]),
        ("LW * ?", ["26-01-30 Fri", "26-02-27 Fri", "26-03-31 Tue"]),
        ("L-W * ?", ["26-01-30 Fri", "26-02-27 Fri", "26-03-31 Tue"]),
        ("L-3W * ?", ["26-01-28 Wed", "26-02-25 Wed", "26-03-27 Fri"]),
        ("15W * ?", ["26-01-15 Thu", "26-02-16 Mon", "26-03-16 Mon"]),
        ("1W * ?", ["26-01-01 Thu", "26-02-02 Mon", "26-03-02 Mon", "26-04-01 Wed", "26-05-01 Fri"]),
        ("1W 8 ?", ["26-08-03 Mon", "27-08-02 Mon"]),
        ("31W * ?", ["26-01-30 Fri", "26-03-31 Tue", "26-05-29 Fri"]),
        # of a list with a W the first day counts
        ("20,15W * ?", ["26-01-15 Thu", "26-02-16 Mon"]),
        ("? * 1", ["26-01-04 Sun", "26-01-11 Sun"]),
        ("? * MON-fri", ["26-01-01 Thu", "26-01-02 Fri", "26-01-05 Mon"]),
        ("? * FRI-MON", ["26-01-02 Fri", "26-01-03 Sat", "26-01-04 Sun", "26-01-05 Mon", "26-01-09 Fri"]),
        ("? * 6-2", ["26-01-02 Fri", "26-01-03 Sat", "26-01-04 Sun", "26-01-05 Mon", "26-01-09 Fri"]),
        ("? * 2/2", ["26-01-02 Fri", "26-01-05 Mon", "26-01-07 Wed"]),
        ("? * L", ["26-01-03 Sat", "26-01-10 Sat"]),
        ("? * 6L", ["26-01-30 Fri", "26-02-27 Fri", "26-03-27 Fri"]),
        ("? * friL", ["26-01-30 Fri", "26-02-27 Fri"]),
        ("? * 6#3", ["26-01-16 Fri", "26-02-20 Fri"]),
        ("? * TUE#1", ["26-01-06 Tue", "26-02-03 Tue"]),
        ("? * 6#5", ["26-01-30 Fri", "26-05-29 Fri", "26-07-31 Fri"]),
        # of a list with a # the smallest number counts, and 0 is Saturday to it
        ("? * 6#3,2", ["26-01-19 Mon", "26-02-16 Mon"]),
        ("? * 0#1", ["26-01-03 Sat", "26-02-07 Sat"]),
        ("? * 8#1", []),
        # steps of a range of names go unnoticed
        ("? * MON-FRI/4", ["26-01-01 Thu", "26-01-02 Fri"]),
        ("1 SEPT-OC ?", ["26-09-01 Tue", "27-09-01 Wed"]),
        ("98 * MON", ["26-01-05 Mon"]),
        ("5 1 ? 2027-2031/2", ["27-01-05 Tue", "29-01-05 Fri", "31-01-05 Sun"]),
        ("5 1 ? 2020,2030", ["30-01-05 Sat"]),
        ("5 1 ? 2020", []),
        ("5 1 ? L", []),
        ("5 1 ? 2500", []),
        ("30 2 ?", []),
    ],
)
def test_days(expression, expected):
    assert days(expression, count=max(1, len(expected))) == expected


def test_a_nearest_weekday_in_a_short_month_depends_on_where_the_search_begins():
    """As in Quartz: 1 March 2025 is a Saturday, so 29W is 28 February, but not if one comes from January."""
    assert days("29W * ?", "2025-02-01") == ["25-02-28 Fri", "25-03-28 Fri", "25-04-29 Tue"]
    assert days("29W * ?", "2025-01-29") == ["25-03-28 Fri", "25-04-29 Tue", "25-05-29 Thu"]


def test_the_years_end_a_hundred_years_ahead():
    assert fires("0 0 0 31 12 ?", f"{LAST_YEAR - 1}-06-01")[-1].startswith(f"{LAST_YEAR % 100}-12-31")
    assert len(fires("0 0 0 31 12 ?", f"{LAST_YEAR - 1}-06-01")) == 2
    assert next_fire(Schedule("CRON", "0 0 0 31 12 ?"), 10**18) is None


def test_a_start_before_1970_finds_the_first_time_there_is():
    assert next_fire(Schedule("CRON", "0 0 0 * * ?"), -(10**12)) == 0
    assert next_fire(Schedule("CRON", "0 0 0 1 1 ? 1969"), -(10**18)) == ms("1969-01-01")


def test_milliseconds_of_the_start_do_not_matter():
    assert next_fire(Schedule("CRON", "* * * * * ?"), 1_000_000_000_500) == 1_000_000_001_000
    assert next_fire(Schedule("CRON", "* * * * * ?"), 1_000_000_001_000) == 1_000_000_002_000


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("* * * * * *", "one of day and weekday must be [?], and the other must not"),
        ("0 0 0 ? * ?", "one of day and weekday must be [?], and the other must not"),
        ("0 0 0 1 * MON", "one of day and weekday must be [?], and the other must not"),
        ("60 * * * * ?", "second '60' is out of range: allowed is 0 to 59"),
        ("* * 24 * * ?", "hour '24' is out of range"),
        ("* * 20-24 * * ?", "hour '20-24' is out of range"),
        ("* * * 0 * ?", "day '0' is out of range: allowed is 1 to 31"),
        ("* * * 0W * ?", "day '0W' is out of range"),
        ("* * * 32W * ?", "day '32W' is out of range"),
        ("* * * ? * 0", "weekday '0' is out of range: allowed is 1 to 7 or SUN to SAT"),
        ("* * * ? * 8L", "weekday '8L' is out of range"),
        ("* * * * 13 ?", "month '13' is out of range: allowed is 1 to 12 or JAN to DEC"),
        ("*/60 * * * * ?", "second '[*]/60' has a step out of range: allowed is 1 to 59"),
        ("5/60 * * * * ?", "second '5/60' has a step out of range"),
        ("* * * ? * 2/8", "weekday '2/8' has a step out of range: allowed is 1 to 7"),
        ("5/ * * * * ?", "second '5/' lacks a number after the slash"),
        ("5/2X * * * * ?", "second '5/2X' lacks a number after the slash"),
        ("*/X * * * * ?", "second '[*]/X' has 'X' where a number is needed"),
        ("/ * * * * ?", "second '/' has '' where a number is needed"),
        ("5- * * * * ?", "second '5-' lacks a number: write a range as 5-10"),
        ("5-10/ * * * * ?", "second '5-10/' lacks a number"),
        ("-5 * * * * ?", "second '-5' is not a number, a range, a list or a step"),
        ("MON * * * * ?", "second 'MON' is not a number from 0 to 59"),
        ("? * * * * ?", "second '[?]' is for the day and the weekday only"),
        ("* * * ?15 * MON", "day '[?]15' has something after the question mark"),
        ("* * * ? * MOO", "weekday 'MOO' is not a number from 1 to 7, or a name from SUN to SAT"),
        ("* * * ? * MON-6", "weekday 'MON-6' is not a number"),
        ("* * * L,15 * ?", "day 'L,15' has L in a list"),
        ("* * * ? * 6L,2", "weekday '6L,2' has L in a list"),
        ("* * * ? * 6#1,6#3", "weekday '6#1,6#3' has more than one #"),
        ("* * * ? * 6#6", "weekday '6#6' needs a number from 1 to 5 after the #"),
        ("* * * ? * 6#", "weekday '6#' has '' where a number is needed"),
        ("* * * 6#3 * ?", "day '6#3' has #, which is for the weekday only"),
        ("* * * 6L * ?", "day '6L' has L, which is for the weekday only"),
        ("* * * ? * 6W", "weekday '6W' has W, which is for the day only"),
        ("* * * L-31 * ?", "day 'L-31' is before the month"),
        ("* * * L- * ?", "day 'L-' lacks a number after the minus"),
        ("* * * LX5 * ?", "day 'LX5' is not"),
        ("L * * * * ?", "no second is named"),
        (", * * * * ?", "no second is named"),
        ("* * * ? * ,", "no weekday is named"),
        ("* * * * * ? 2030-2020", "year '2030-2020' runs backwards"),
        ("* * * * * ? 2500/2", "year '2500/2' runs backwards, or begins after"),
        ("* * * * * ? 3000000000", "year '3000000000' has '3000000000' where a number is needed"),
    ],
)
def test_what_quartz_does_not_take_is_refused(expression, text):
    with pytest.raises(ScheduleError, match=text):
        check(Schedule("CRON", expression))


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(ScheduleError) as caught:
        check(Schedule("CRON", "99-70 60 24,25 0 13 MOO"))

    assert len(caught.value.problems) == 7


# against a search that looks at every day and every second of it


def an_item(low: int, high: int) -> st.SearchStrategy[tuple[str, set[int]]]:
    number = st.integers(low, high)
    steps = st.integers(1, high - low)
    return st.one_of(
        st.just(("*", set(range(low, high + 1)))),
        number.map(lambda n: (str(n), {n})),
        steps.map(lambda n: (f"*/{n}", set(range(low, high + 1, n)))),
        st.tuples(number, steps).map(
            lambda each: (f"{each[0]}/{each[1]}", set(range(each[0], high + 1, each[1])))
        ),
        st.tuples(number, number).map(lambda each: (f"{each[0]}-{each[1]}", going_round(low, high, *each))),
    )


def going_round(low: int, high: int, first: int, last: int) -> set[int]:
    values, each = {first}, first
    while each != last:
        each = low if each == high else each + 1
        values.add(each)
    return values


def a_field(low: int, high: int) -> st.SearchStrategy[tuple[str, set[int]]]:
    lists = st.lists(an_item(low, high), min_size=1, max_size=3)
    return lists.map(
        lambda items: (",".join(text for text, _ in items), set().union(*(each for _, each in items)))
    )


def length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def nearest(year: int, month: int, target: int) -> date:
    """The weekday of this month with the smallest distance."""
    workdays = (date(year, month, n) for n in range(1, monthrange(year, month)[1] + 1))
    return min((each for each in workdays if each.weekday() < 5), key=lambda each: abs(each.day - target))


def sunday_is_1(day: date) -> int:
    return (day.weekday() + 1) % 7 + 1


WEEKDAY = st.integers(1, 7)
SPECIAL_DAYS = st.one_of(
    st.just(("L * ?", lambda day: day.day == length(day))),
    st.integers(0, 30).map(lambda n: (f"L-{n} * ?", lambda day: day.day == length(day) - n)),
    st.integers(0, 27).map(
        lambda n: (f"L-{n}W * ?", lambda day: day == nearest(day.year, day.month, length(day) - n))
    ),
    st.integers(1, 28).map(lambda n: (f"{n}W * ?", lambda day: day == nearest(day.year, day.month, n))),
    WEEKDAY.map(lambda n: (f"? * {n}L", lambda day: sunday_is_1(day) == n and day.day + 7 > length(day))),
    st.tuples(WEEKDAY, st.integers(1, 5)).map(
        lambda each: (
            f"? * {each[0]}#{each[1]}",
            lambda day: sunday_is_1(day) == each[0] and (day.day - 1) // 7 == each[1] - 1,
        )
    ),
)
PLAIN_DAYS = st.one_of(
    st.tuples(a_field(1, 31), a_field(1, 12)).map(
        lambda each: (
            f"{each[0][0]} {each[1][0]} ?",
            lambda day: day.day in each[0][1] and day.month in each[1][1],
        )
    ),
    st.tuples(a_field(1, 12), a_field(1, 7)).map(
        lambda each: (
            f"? {each[0][0]} {each[1][0]}",
            lambda day: day.month in each[0][1] and sunday_is_1(day) in each[1][1],
        )
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(a_field(0, 59), a_field(0, 59), a_field(0, 23)),
    PLAIN_DAYS | SPECIAL_DAYS,
    st.sampled_from(["UTC", "Asia/Kolkata"]),
    st.integers(0, 2_500_000_000),
)
def test_the_next_time_is_what_a_search_second_by_second_finds(times, day_rule, zone, after_s):
    days_text, is_day = day_rule
    expression = " ".join((*(text for text, _ in times), days_text))
    found = next_fire(Schedule("CRON", expression, zone), after_s * 1000)

    after = datetime.fromtimestamp(after_s, ZoneInfo(zone)).replace(tzinfo=None)
    expected = next(search(after, [values for _, values in times], is_day), None)
    assert found == (None if expected is None else ms(expected.isoformat(), zone))


def search(after: datetime, times: list[set[int]], is_day) -> Iterator[datetime]:
    seconds, minutes, hours = (sorted(each) for each in times)
    for ahead in range(366 * 9):
        day = after.date() + timedelta(days=ahead)
        if is_day(day):
            walls = (
                datetime(day.year, day.month, day.day, h, m, s)
                for h in hours
                for m in minutes
                for s in seconds
            )
            yield from (wall for wall in walls if wall > after)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(a_field(0, 59), a_field(0, 59), a_field(0, 23)),
    PLAIN_DAYS | SPECIAL_DAYS,
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
    st.integers(1_700_000_000_000, 1_900_000_000_000),
    st.sampled_from(["RUN_AFTER", "SKIP"]),
    st.sampled_from(["ONCE", "BOTH"]),
)
def test_the_next_time_is_always_later_and_nothing_lies_between(times, day_rule, zone, after_ms, gap, fold):
    expression = " ".join((*(text for text, _ in times), day_rule[0]))
    found = next_fire(Schedule("CRON", expression, zone, gap, fold), after_ms)

    if found is not None:
        assert found > after_ms
        between = (after_ms + found) // 2
        assert next_fire(Schedule("CRON", expression, zone, gap, fold), between) == found
        assert next_fire(Schedule("CRON", expression, zone, gap, fold), found - 1) == found
