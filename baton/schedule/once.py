"""At one moment: a wall-clock time in the job's zone."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from ..errors import ScheduleError
from ..vocabulary import DstGap
from . import zone as zones
from .daylight import EPOCH

_WALL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", re.ASCII)


def moment_ms(conf: str, zone: tzinfo, gap: DstGap) -> int | None:
    """The instant it names; None if the clock drops it and `gap` says to skip it. Raises `ScheduleError`.

    Of a time that the clock shows twice, the first counts.
    """
    wall = _read(conf)
    instants = zones.instants_of(wall, zone)
    if not instants and gap is DstGap.SKIP:
        return None
    instant = instants[0] if instants else zones.end_of_gap(wall, zone)
    return round((instant - EPOCH).total_seconds() * 1000)


def _read(conf: str) -> datetime:
    if _WALL.fullmatch(conf):
        try:
            wall = datetime.fromisoformat(conf)
        except ValueError as problem:
            raise ScheduleError(f"the moment {conf!r} cannot be: {problem}") from None
        if 1970 <= wall.year < 2100:
            return wall
    raise ScheduleError(
        f"the moment {conf[:40]!r} is not a date with a time: write it as 2026-12-24T18:00, by the clock of "
        "the job's time zone, from 1970 to 2099"
    )
