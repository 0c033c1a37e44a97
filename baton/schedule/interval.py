"""Fixed rate: every N seconds from the previous planned time."""

from __future__ import annotations

import re

from ..errors import ScheduleError

_LONGEST_S = 366 * 86_400


def rate_ms(conf: str) -> int:
    """The interval in milliseconds; raises `ScheduleError`."""
    if not re.fullmatch(r"[0-9]{1,9}", conf) or not 1 <= int(conf) <= _LONGEST_S:
        raise ScheduleError(
            f"a fixed rate is a whole number of seconds from 1 to {_LONGEST_S}, not {conf[:40]!r}"
        )
    return int(conf) * 1000
