"""Counting in memory: whole numbers by field, taken once."""

from __future__ import annotations

import threading

import pytest

from baton import meters
from baton.meters import Counter, Histogram

CALLS = Counter("baton_calls_total", "Calls.", ("group",))
TOOK = Histogram("baton_call_seconds", "How long.", ("group",), (0.1, 1.0))


@pytest.fixture(autouse=True)
def _nothing_counted():
    meters.take()


def test_what_is_taken_is_not_taken_again():
    CALLS.add(2, "demo")
    CALLS.add(1, "demo")
    CALLS.add(0, "other")

    assert meters.take() == {"baton_calls_total|demo": 3}
    assert meters.take() == {}


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, "0.1"), (0.1, "0.1"), (0.1001, "1"), (1.0, "1"), (7.5, "+Inf"), (-3.0, "0.1")],
)
def test_a_duration_has_its_place_below_the_first_bound_that_is_not_shorter(seconds, bound):
    TOOK.observe(seconds, "demo")

    taken = meters.take()
    assert taken[f"baton_call_seconds|demo|{bound}"] == 1
    assert meters.seconds_of(taken["baton_call_seconds|demo|sum"]) == max(0.0, seconds)


def test_nothing_is_lost_between_threads_that_count_and_one_that_takes():
    threads = [
        threading.Thread(target=lambda: [CALLS.add(1, "demo") for _ in range(5_000)]) for _ in range(4)
    ]
    taken = 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += meters.take().get("baton_calls_total|demo", 0)
    for thread in threads:
        thread.join()

    assert taken + meters.take().get("baton_calls_total|demo", 0) == 20_000
