"""Cron in two dialects, told apart by the number of fields: five are standard, six or seven Quartz.

An expression is read once (`standard.py`, `quartz.py`) into the wall-clock times it names
(`pattern.py`); what those come to in a zone whose clocks change, `daylight.py` decides.
"""

from __future__ import annotations

from datetime import timedelta, tzinfo
from functools import lru_cache

from ..errors import ScheduleError
from ..vocabulary import DstFold, DstGap
from . import daylight, quartz, standard
from .pattern import Pattern

LONGEST_CHARS = 256
"""Bounds what parsing and error texts cost; far more than a person can read."""
MOST_ITEMS = 60
"""Of a list in one field: every minute, one by one."""
EARLIEST_MS = -62_135_500_000_000
"""The first days of the year 1, where datetimes begin."""
LATEST_MS = 4_102_444_800_000
"""The year 2100, where standard expressions end."""
_FEWEST_OF_QUARTZ = 6
_MILLISECOND = timedelta(milliseconds=1)


def next_fire(
    expression: str,
    zone: tzinfo,
    after_ms: int,
    gap: DstGap = DstGap.RUN_AFTER,
    fold: DstFold = DstFold.ONCE,
) -> int | None:
    """The first fire time strictly after `after_ms`; None if none comes. Raises `ScheduleError`."""
    pattern = read(expression)
    if not pattern.years or after_ms >= _end_ms(pattern):
        return None
    after = daylight.EPOCH + max(after_ms, EARLIEST_MS) * _MILLISECOND
    found = daylight.first_after(pattern, zone, after, gap, fold)
    return None if found is None else (found - daylight.EPOCH) // _MILLISECOND


@lru_cache(maxsize=10_000)
def read(expression: str) -> Pattern:
    """The wall-clock times an expression names; raises `ScheduleError`, naming what is wrong and the mend."""
    _refuse_the_unreadable(expression)
    return quartz.read(expression) if is_quartz(expression) else standard.read(expression)


def is_quartz(expression: str) -> bool:
    """Whether it is of the dialect that begins with seconds."""
    return len(expression.split()) >= _FEWEST_OF_QUARTZ


def _refuse_the_unreadable(expression: str) -> None:
    """Before anything is parsed: what is too large, and what does not belong on a line."""
    if len(expression) > LONGEST_CHARS:
        raise ScheduleError(
            f"the cron expression has {len(expression):,} characters; the limit is {LONGEST_CHARS}: "
            "split it over several jobs"
        )
    items = max((part.count(",") + 1 for part in expression.split()), default=0)
    if items > MOST_ITEMS:
        raise ScheduleError(
            f"the cron expression has a list of {items} items; the limit is {MOST_ITEMS}: "
            "write ranges, as 1-5, or steps, as 0/5"
        )
    foreign = next((each for each in expression.strip() if not (" " <= each <= "~" or each == "\t")), None)
    if foreign is not None:
        raise ScheduleError(
            f"cron {expression!r} has the character {foreign!r}: write it with the letters, digits and signs "
            "of ASCII"
        )


def _end_ms(pattern: Pattern) -> int:
    """No fire time lies at or after this: two days into the year after the last, wherever the clock hangs."""
    return (_days_to(pattern.years[-1] + 1) + 2) * 86_400_000


def _days_to(year: int) -> int:
    """From 1970 to the beginning of a year."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 - 719_162
