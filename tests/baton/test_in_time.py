"""A question that hangs holds up nobody."""

from __future__ import annotations

import threading

import pytest

from baton.in_time import InTime
from tests.waiting import until


def test_an_answer_that_comes_in_time_is_given_and_a_problem_raised():
    in_time = InTime()

    assert in_time.ask("sum", lambda: 1 + 1, within_s=10) == 2
    with pytest.raises(ZeroDivisionError):
        in_time.ask("share", lambda: 1 / 0, within_s=10)


def test_one_that_hangs_is_given_up_and_not_asked_a_second_time_meanwhile():
    go_on, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        go_on.wait(10)
        return "at last"

    in_time = InTime()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            in_time.ask("hang", hang, within_s=0.05)
    assert asked == [1]
    assert in_time.ask("another", lambda: "at once", within_s=10) == "at once"

    go_on.set()

    until(lambda: in_time.ask("hang", lambda: "asked anew", within_s=10) == "asked anew")
