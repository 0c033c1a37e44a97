"""Wait for a condition instead of sleeping: a test that waits too short fails, none waits too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.01


def until(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """Call `condition` until it answers something true, and answer that.

    Fails the test after `within_s` with `what` was awaited and the last answer. An exception
    of the condition counts as "not yet"; the last one is named in the failure.
    """
    deadline = time.monotonic() + within_s
    while True:
        last: object
        try:
            answer = condition()
        except Exception as problem:
            last = problem
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s:g} s for {what or condition}; last answer: {last!r}")
        time.sleep(_POLL_S)
