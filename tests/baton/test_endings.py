"""What a handler's word and value mean for its row."""

from __future__ import annotations

import json

import pytest

from baton.endings import RESULT_LIMIT_BYTES, kept_result, outcome_of


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(200, "succeeded"), (500, "failed"), (502, "timed_out"), (1, "failed"), (-7, "failed")],
)
def test_the_outcome_of_a_code(code, outcome):
    assert outcome_of(code) == outcome


def test_what_json_can_say_is_kept_as_json():
    assert kept_result(None).text == ""
    assert kept_result({"ü": [1, None, True]}).text == '{"ü": [1, null, true]}'


def nested(levels: int) -> object:
    value: object = 7
    for level in range(levels):
        value = [value] if level % 2 else {"a": value, "b": 1}
    return value


def test_what_is_nested_too_deep_for_readers_is_kept_as_its_repr():
    assert json.loads(kept_result(nested(100)).text) == nested(100)
    assert kept_result([[]] * 500).problem == ""

    kept = kept_result(nested(101))

    assert "more than 100 levels deep" in kept.problem
    assert json.loads(kept.text) == repr(nested(101))
    assert kept_result(nested(900)).problem


class Odd:
    def __repr__(self) -> str:
        return "<Odd>"


class Broken:
    def __repr__(self) -> str:
        raise ValueError


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Odd(), '"<Odd>"'),
        ({"x": Odd()}, "\"{'x': <Odd>}\""),
        (float("nan"), '"nan"'),
        (CIRCLE, '"[[...]]"'),
        (Broken(), '"<Broken, whose repr raised ValueError>"'),
    ],
)
def test_what_json_cannot_say_is_kept_as_its_repr_with_the_reason(value, text):
    kept = kept_result(value)

    assert kept.text == text
    assert "cannot be kept as JSON" in kept.problem


def test_half_a_surrogate_pair_is_kept_as_an_escape_that_a_database_takes():
    kept = kept_result("\ud83d")

    assert kept.text == '"\\ud83d"'
    assert json.loads(kept.text) == "\ud83d"


def test_a_value_over_the_limit_is_not_kept_and_the_reason_has_both_sizes():
    assert kept_result("x" * (RESULT_LIMIT_BYTES - 2)).problem == ""

    kept = kept_result("ü" * (RESULT_LIMIT_BYTES // 2))

    assert kept.text == ""
    assert "has 65,538 bytes as JSON, of 65,536 at most" in kept.problem
