"""Guessing gets slower, for a name and for an address, and nobody is locked out for good."""

from __future__ import annotations

import pytest

from dashboard.throttle import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES_PER_ADDRESS,
    FREE_TRIES_PER_NAME,
    LONGEST_WAIT_S,
    Throttle,
)

from ..clocks import FakeClock
from .site import NAME, PASSWORD


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def throttle(clock: FakeClock) -> Throttle:
    return Throttle(clock)


def wrong(throttle: Throttle, times: int, name: str = "ana", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        throttle.failed(name, address)


def test_the_first_tries_are_free_and_each_further_one_costs_twice_as_long(throttle):
    wrong(throttle, FREE_TRIES_PER_NAME - 1)
    assert throttle.wait_s("ana", "192.0.2.1") == 0

    waits = []
    for _ in range(8):
        wrong(throttle, 1)
        waits.append(throttle.wait_s("ana", "192.0.2.1"))

    assert waits == [1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_a_name_is_slow_from_every_address_and_in_every_spelling(throttle):
    wrong(throttle, 9)

    assert throttle.wait_s(" Ana ", "198.51.100.9") > 0
    assert throttle.wait_s("bo", "198.51.100.9") == 0


def test_an_address_that_tries_many_names_is_slow_for_all_of_them(throttle):
    for n in range(FREE_TRIES_PER_ADDRESS):
        wrong(throttle, 1, name=f"name {n}")

    assert throttle.wait_s("another", "192.0.2.1") > 0
    assert throttle.wait_s("another", "192.0.2.2") == 0


def test_nobody_waits_longer_than_half_a_minute_and_time_forgives(throttle, clock):
    wrong(throttle, 1000)
    assert throttle.wait_s("ana", "192.0.2.1") == LONGEST_WAIT_S

    clock.advance(LONGEST_WAIT_S)
    assert throttle.wait_s("ana", "192.0.2.1") == 0

    clock.advance(FORGOTTEN_AFTER_S)
    wrong(throttle, 1)
    assert throttle.wait_s("ana", "192.0.2.1") == 0


def test_the_right_password_clears_the_name_and_not_the_address(throttle):
    wrong(throttle, FREE_TRIES_PER_ADDRESS)

    throttle.succeeded("ana", "192.0.2.1")

    assert throttle.wait_s("ana", "198.51.100.9") == 0
    assert throttle.wait_s("bo", "192.0.2.1") > 0


def test_many_names_do_not_fill_the_memory(throttle):
    for n in range(25_000):
        throttle.failed(f"name {n}", "192.0.2.1")

    assert len(throttle._failures) <= 10_000
    assert throttle.wait_s("bo", "192.0.2.1") > 0


def test_who_waited_signs_in_with_the_right_password(plain_site):
    plain_site.person()
    stranger = plain_site.anonymous()
    for n in range(FREE_TRIES_PER_NAME):
        stranger.post("/sign-in", {"name": NAME, "password": f"guess number {n}"})

    too_soon = stranger.post("/sign-in", {"name": NAME, "password": PASSWORD})
    plain_site.clock.advance(float(too_soon.headers["Retry-After"]))
    in_time = stranger.post("/sign-in", {"name": NAME, "password": PASSWORD})

    assert too_soon.status_code == 429, "not even the right one is tried"
    assert in_time.status_code == 303
