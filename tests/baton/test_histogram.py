"""Quantiles of merged histograms are as near to the exact ones as the histogram promises."""

from __future__ import annotations

import math
import random

import pytest

from baton.histogram import ERROR, LAST, Histogram, bucket_of


def exact(durations: list[int], share: float) -> int:
    """The duration that this share of all did not exceed."""
    return sorted(durations)[max(1, math.ceil(share * len(durations))) - 1]


def lognormal(seed: int, count: int, middle_ms: float, spread: float) -> list[int]:
    chance = random.Random(seed)
    return [round(chance.lognormvariate(math.log(middle_ms), spread)) for _ in range(count)]


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
@pytest.mark.parametrize(("middle_ms", "spread"), [(3, 1), (250, 0.2), (90_000, 2), (86_400_000, 0.5)])
def test_quantiles_of_merged_days_are_near_the_exact_ones(share, middle_ms, spread):
    days = [lognormal(seed, 400 + 37 * seed, middle_ms * (1 + seed), spread) for seed in range(7)]
    merged = Histogram()
    for day in days:
        merged.merge(Histogram.decode(Histogram.of(day).encode()))
    durations = [each for day in days for each in day]

    wanted = exact(durations, share)

    assert merged.total == len(durations)
    assert abs(merged.quantile(share) - wanted) <= wanted * ERROR + 0.5


def test_merging_is_the_same_as_counting_everything_at_once():
    durations = lognormal(1, 1000, 500, 2)
    merged = Histogram.of(durations[:300])
    merged.merge(Histogram.of(durations[300:]))

    assert merged == Histogram.of(durations)


def test_every_duration_is_near_the_middle_of_its_bucket():
    for duration in [*range(2_000), *(3**power for power in range(7, 21))]:
        found = Histogram.of([duration]).quantile(0.5)
        assert abs(found - duration) <= duration * ERROR + 1


def test_it_stays_small_whatever_it_counts():
    histogram = Histogram.of(2**power + extra for power in range(60) for extra in range(50))
    assert len(histogram.counts) <= LAST + 1
    assert bucket_of(2**60) == LAST


def test_clocks_that_disagree_count_as_no_time():
    assert Histogram.of([-5_000]).quantile(0.99) == 0


def test_of_nothing_there_is_no_quantile():
    assert Histogram.decode("").quantile(0.5) is None
    assert Histogram().encode() == ""
