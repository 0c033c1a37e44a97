"""Bars add up, lines stand where their durations belong, and no number leaves the picture."""

from __future__ import annotations

import re

import pytest

from dashboard.queries import charts
from dashboard.queries.charts import Point, compact, lines, stacked


def points(count: int) -> list[Point]:
    return [Point(f"{n} Nov", f"day {n}", {}) for n in range(1, count + 1)]


def heights(path: str) -> list[float]:
    """From the bottom."""
    return [100 - float(y) for y in re.findall(r"\d+ ([\d.]+)", path)]


def test_the_parts_of_a_column_stand_on_each_other():
    chart = stacked(points(2), [{"good": 30, "bad": 10}, {"good": 0, "bad": 5}])

    assert chart.up == ("40", "20", "0")
    good, bad = chart.columns[0].bars
    assert (good.y, good.height) == (25, 75)
    assert (bad.y, bad.height) == (0, 25)
    assert [bar.tone for bar in chart.columns[1].bars] == ["bad"]


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 19, 20, 21, 99, 101, 1_399, 20_001, 7_654_321])
def test_the_top_of_the_axis_is_round_and_not_far_above_the_most(most):
    [column] = stacked(points(1), [{"good": most}]).columns
    height = sum(bar.height for bar in column.bars)
    assert height <= 100
    assert most < 2 or height >= 50


def test_equal_distances_on_the_axis_are_the_words_beside_it():
    chart = lines(points(3), {"p50": [1_000, 10_000, 60_000]})

    assert chart.up == ("1 min", "10 s", "1 s")
    assert chart.rules == (0, 50, 100)
    assert heights(chart.lines[0].path) == [0, 50, 100]


def test_durations_of_all_sizes_stay_in_the_picture():
    every = [0, 1, 3, 999, 59_999, 61_000, 86_400_000, 400 * 86_400_000]
    [line] = lines(points(len(every)), {"p99": every}).lines
    found = heights(line.path)
    assert found == sorted(found)
    assert min(found) >= 0
    assert max(found) <= 100


def test_a_day_on_which_nothing_ran_is_a_gap_and_a_lonely_one_a_dot():
    [line] = lines(points(5), {"p50": [5, 5, None, 5, None]}).lines
    assert line.path.count("M") == 2
    assert line.path.endswith("h0")


def test_without_any_duration_there_is_still_an_axis():
    chart = lines(points(2), {"p50": [None, None]})
    assert len(chart.up) == 2
    assert chart.lines[0].path == ""


def test_under_a_chart_stand_the_first_the_middle_and_the_last():
    assert stacked(points(30), [{}] * 30).across == ("1 Nov", "16 Nov", "30 Nov")
    assert stacked(points(2), [{}] * 2).across == ("1 Nov", "2 Nov")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (950, "950"), (1_200, "1.2 k"), (40_000, "40 k"), (3_000_000, "3 M")]
)
def test_numbers_on_an_axis_are_short(number, text):
    assert compact(number) == text


def test_every_stop_of_the_axis_is_further_than_the_one_before():
    assert [ms for ms, _ in charts.STOPS] == sorted({ms for ms, _ in charts.STOPS})
