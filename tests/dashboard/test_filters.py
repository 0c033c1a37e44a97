"""How values become text."""

from __future__ import annotations

import pytest

from baton.vocabulary import (
    BlockStrategy,
    MisfireStrategy,
    OnLost,
    Outcome,
    RunState,
    TriggerType,
)
from dashboard import filters


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "< 1 ms"), (0, "< 1 ms"), (1, "1 ms"), (999, "999 ms"), (1000, "1.0 s"), (3_240, "3.2 s"),
        (10_000, "10 s"), (60_000, "1 min"), (245_000, "4 min 5 s"), (3_600_000, "1 h"),
        (3_605_000, "1 h"), (7_380_000, "2 h 3 min"), (90_061_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_its_two_largest_units(ms, text):
    assert filters.duration(ms) == text


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (None, ""),
        ("", ""),
        ("\n  first \nsecond", "first"),
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "ValueError: no"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_a_long_message_comes_down_to_the_line_that_says_it(message, line):
    assert filters.first_line(message) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [('{"a": [1]}', '{\n  "a": [\n    1\n  ]\n}'), ("not json", "not json"), ("[" * 100_000, "[" * 100_000)],
    ids=["json", "text", "too deep"],
)
def test_a_result_is_indented_if_it_can_be(text, shown):
    assert filters.pretty_json(text) == shown


@pytest.mark.parametrize("text", ["", None, "plain", "[1]", "7", '{"lane": "7"}', "[" * 100_000])
def test_a_push_that_went_well_or_cannot_be_read_has_no_reason(text):
    assert filters.reason(text) == ""


@pytest.mark.parametrize("ms", [-(10**18), 10**18])
def test_a_time_no_calendar_has_breaks_no_page(ms):
    assert filters.utc(ms) == "1970-01-01 00:00:00 UTC"


def test_every_word_a_page_may_show_has_a_label():
    shown = [*Outcome, *RunState, *TriggerType, *BlockStrategy, *MisfireStrategy, *OnLost]

    assert [word for word in shown if filters.label(word) == word.value] == ["API"]


def test_every_way_to_end_has_a_colour():
    assert [outcome for outcome in Outcome if outcome not in filters.TONES] == []
