"""What cannot be followed is refused, and the text names the value and the mend."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule import Schedule, check, next_fire, zone


@pytest.mark.parametrize(
    ("schedule_type", "conf", "zone", "text"),
    [
        ("CRON", "", "UTC", "has 0 fields; it needs 5"),
        ("CRON", "* * * *", "UTC", "has 4 fields; it needs 5"),
        ("CRON", "@daily", "UTC", "has 1 field; it needs 5"),
        ("CRON", "61 * * * *", "UTC", "'61 .*: minute '61' is out of range: allowed is 0 to 59"),
        ("CRON", "0 24 * * *", "UTC", "hour '24' is out of range: allowed is 0 to 23"),
        ("CRON", "0 0 0 * *", "UTC", "day '0' is out of range: allowed is 1 to 31"),
        ("CRON", "0 0 * 13 *", "UTC", "month '13' is out of range: allowed is 1 to 12 or jan to dec"),
        ("CRON", "0 0 * mon *", "UTC", "month 'mon' is out of range"),
        ("CRON", "0 0 * * 8", "UTC", "weekday '8' is out of range: allowed is 0 to 7 or sun to sat"),
        ("CRON", "0 22-6 * * *", "UTC", "hour '22-6' runs backwards: split it in two"),
        ("CRON", "*/0 * * * *", "UTC", r"minute '\*/0' has a step out of range: allowed is 1 to 59"),
        ("CRON", "1-100000000 * * * *", "UTC", "minute '1-100000000' is not a number, a range"),
        ("CRON", "R * * * *", "UTC", "minute 'r' is not a number"),
        ("CRON", "0 0 L * *", "UTC", "day 'l' is not a number"),
        ("CRON", "0 0 * * 5#2", "UTC", "weekday '5#2' is not a number"),
        ("CRON", "0,,5 * * * *", "UTC", "minute '' is not a number"),
        ("CRON", "\u0663 * * * *", "UTC", "has the character '\u0663': write it with the letters"),
        ("CRON", "0 0\n* * *", "UTC", r"has the character '\\n'"),
        ("CRON", "* " * 150, "UTC", "has 300 characters; the limit is 256"),
        ("CRON", "* " * 5_000_000, "UTC", "has 10,000,000 characters"),
        ("CRON", ",".join("1" * 61) + " * * * *", "UTC", "has a list of 61 items; the limit is 60: write"),
        ("CRON", "0 " + "," * 70 + " * * * ?", "UTC", "has a list of 71 items"),
        ("CRON", "0 0 30 2 *", "UTC", "cron '0 0 30 2 .' never fires"),
        (
            "CRON",
            "0 0 * * *",
            "Mars/Olympus",
            "time zone 'Mars/Olympus' is not known here: use a name such as",
        ),
        ("CRON", "0 0 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("CRON", "0 0 * * *", "europe/berlin", "did you mean 'Europe/Berlin'"),
        ("CRON", "0 0 * * *", "../etc/passwd", "is not known here"),
        ("CRON", "0 0 * * *", "Europe", "time zone 'Europe' is not known here"),
        ("CRON", "0 0 * * *", "UTC\x00", "is not known here"),
        ("NONE", "", "", "time zone '' is not known here"),
        ("FIX_RATE", "", "UTC", "fixed rate '' is not a number of seconds"),
        ("FIX_RATE", "0", "UTC", "write a whole number from 1 to 31622400"),
        ("FIX_RATE", "-5", "UTC", "fixed rate '-5'"),
        ("FIX_RATE", "1.5", "UTC", "fixed rate '1.5'"),
        ("FIX_RATE", "\u0663", "UTC", "fixed rate '\u0663'"),
        ("FIX_RATE", "31622401", "UTC", "from 1 to 31622400"),
        ("FIX_RATE", "9" * 1_000_000, "UTC", "fixed rate '9{40}'"),
        ("SOMETIMES", "1", "UTC", "use one of NONE, CRON, FIX_RATE"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(schedule_type, conf, zone, text):
    with pytest.raises(ScheduleError, match=text) as caught:
        check(Schedule(schedule_type, conf, zone))
    assert len(str(caught.value)) < 500


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(ScheduleError) as caught:
        check(Schedule("CRON", "99 24,25 * * fri-mon"))

    named = [problem.partition(": ")[2] for problem in caught.value.problems]
    assert [" ".join(words.split()[:2]) for words in named] == [
        "minute '99'", "hour '24'", "hour '25'", "weekday 'fri-mon'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *", "*/5 * * * *", "0 0 * * 7", "0 0 * * SUN", "0 0 1 JAN-mar,DEC *", "5/15 * * * *",
        "0 9-17/2 * * 1-5", "0 0 29 2 *", "  0   0 * * *  ", "0 0 31 * *",
    ],
)  # fmt: skip
def test_standard_expressions_are_accepted(expression):
    check(Schedule("CRON", expression, "Europe/Berlin"))


def test_a_machine_without_time_zone_data_says_so_instead_of_taking_utc(monkeypatch):
    monkeypatch.setattr(zone, "_names", frozenset)

    with pytest.raises(ScheduleError, match="no time zone data: install the package tzdata"):
        zone.find.__wrapped__("Europe/Berlin")
    assert zone.find("UTC").utcoffset(None).total_seconds() == 0


@given(st.text(max_size=200) | st.text("0123456789*/,- LWH?#@RrSUNJAN", max_size=40))
@example("*/61 * * * *")
@example("* * * * * \n")
@example("H H * * *")
def test_any_text_is_either_refused_or_followed(expression):
    try:
        check(Schedule("CRON", expression, "Europe/Berlin"))
    except ScheduleError:
        return
    found = next_fire(Schedule("CRON", expression, "Europe/Berlin"), 1_790_000_000_000)
    assert found is None or found > 1_790_000_000_000
    assert found is not None or len(expression.split()) > 6  # only a year can end a schedule


def test_no_expression_keeps_the_processor_busy():
    """Even the ones that search longest: two seconds for two hundred are generous."""
    begun = time.process_time()
    for minute in range(20):
        for days in ("30 2 *", "31 2,4,6,9,11 *", "29 2 *", "29 2 0", "1-31 * 0-7"):
            next_fire(Schedule("CRON", f"{minute} 0-23 {days}", "Europe/Berlin"), 1_790_000_000_000)
        for days in ("30 2 ?", "31 2,4,6,9,11 ?", "L-30W 2 ?", "30W 2 ?", "? 2 8#5", "? 2 1#5"):
            next_fire(Schedule("CRON", f"* {minute} 0-23 {days}", "Europe/Berlin"), 1_790_000_000_000)
    assert time.process_time() - begun < 2
