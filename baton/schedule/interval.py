"""Fixed rate and fixed delay: every N seconds, counted from the planned time or from the end of a run.

A fixed rate keeps a grid that late planning does not shift. A fixed delay knows its next time only
when a run has ended.
"""

from __future__ import annotations

from ..errors import ScheduleError

LONGEST_S = 366 * 86_400
"""A year; a longer rate is a typing error."""


def next_fire(conf: str, planned_ms: int, after_ms: int) -> int:
    """The first of `planned_ms` + k·N (k > 0) strictly after `after_ms`; raises `ScheduleError`."""
    step_ms = period_ms(conf)
    steps = max(0, after_ms - planned_ms) // step_ms + 1
    return planned_ms + steps * step_ms


def period_ms(conf: str, name: str = "fixed rate") -> int:
    """N in milliseconds; raises `ScheduleError`."""
    is_number = conf.isascii() and conf.isdigit() and len(conf) <= 9
    if not is_number or not 1 <= int(conf) <= LONGEST_S:
        raise ScheduleError(
            f"{name} {conf[:40]!r} is not a number of seconds: write a whole number "
            f"from 1 to {LONGEST_S}, as 30"
        )
    return int(conf) * 1000
