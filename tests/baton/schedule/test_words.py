"""Expressions in words: right for what Quartz means by them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baton.errors import ScheduleError
from baton.schedule.words import describe

from .test_quartz import a_field
from .test_quartz_reference import cases


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("30 8 * * 1-5", "At 08:30, Monday through Friday"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 0 1 * MON", "At 00:00, on day 1 of the month, or on Monday"),
        ("0,5/20 9 * * 7", "At 0, 5, 25, and 45 minutes past the hour, at 09:00, only on Sunday"),
        ("0 30 8 ? * MON-FRI", "At 08:30, Monday through Friday"),
        ("0 30 8 ? * 2-6", "At 08:30, Monday through Friday"),
        ("0 30 8 ? * 1,7", "At 08:30, only on Sunday and Saturday"),
        ("0 30 8 ? * L", "At 08:30, only on Saturday"),
        ("0 30 8 ? * 6L", "At 08:30, on the last Friday of the month"),
        ("0 30 8 ? * fri#3", "At 08:30, on the third Friday of the month"),
        ("0 30 8 ? * 7#1", "At 08:30, on the first Saturday of the month"),
        ("0 30 8 ? * 0#1", "At 08:30, on the first Saturday of the month"),
        ("0 30 8 ? * 6#3,2", "At 08:30, on the third Monday of the month"),
        ("0 30 8 L * ?", "At 08:30, on the last day of the month"),
        ("0 30 8 L-1 * ?", "At 08:30, 1 day before the last day of the month"),
        ("0 30 8 LW * ?", "At 08:30, on the last weekday of the month"),
        ("0 30 8 L-3W * ?", "At 08:30, on the weekday nearest to 3 days before the last day of the month"),
        ("0 30 8 15W 2 ?", "At 08:30, on the weekday nearest day 15 of the month, only in February"),
        ("0 30 8 02 FEB-apr ?", "At 08:30, on day 2 of the month, February through April"),
        ("*/10 * * * * ?", "Every 10 seconds"),
        ("/10 * * * * ?", "Every 10 seconds"),
        ("5X 99 * * * ?", "At 5 seconds past the minute"),
        ("0 0/5 14 * * ?", "Every 5 minutes, between 14:00 and 14:59"),
        ("0 0 12 1 1 ? 2030", "At 12:00, on day 1 of the month, only in January, only in 2030"),
        ("0 0 12 1 1 ? 2030-2035", "At 12:00, on day 1 of the month, only in January, 2030 through 2035"),
        ("0 0 12 ? * 8#1", "Never"),
        ("0 0 12 1 1 ? 2500", "Never"),
    ],
)
def test_words(expression, words):
    assert describe(expression) == words


def test_what_cannot_be_read_has_no_words():
    with pytest.raises(ScheduleError, match="second '61' is out of range"):
        describe("61 * * * * ?")


def test_every_expression_that_quartz_reads_has_words():
    for expression, *_, times in cases():
        if times != "ERR":
            assert describe(expression), expression


@settings(max_examples=200, deadline=None)
@given(st.tuples(a_field(0, 59), a_field(0, 23), a_field(1, 31), a_field(1, 12)))
def test_no_words_are_left_empty(fields):
    words = describe(" ".join(["0", *(text for text, _ in fields), "?"]))

    assert ", ," not in words
    assert "  " not in words
