"""Where the bars and lines of a chart go: numbers for an SVG that may be stretched. Pure.

A chart is 100 high and as wide as it has pieces, ten for each. It is stretched to the room there is, so there
is no text in it: what stands on its axes are evenly spaced words beside it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

STEP = 10
HEIGHT = 100.0
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
STOPS: tuple[tuple[int, str], ...] = (
    (1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (_SECOND, "1 s"), (10 * _SECOND, "10 s"),
    (_MINUTE, "1 min"), (10 * _MINUTE, "10 min"), (_HOUR, "1 h"), (6 * _HOUR, "6 h"), (_DAY, "1 d"),
    (7 * _DAY, "7 d"), (30 * _DAY, "30 d"), (365 * _DAY, "1 y"),
)  # fmt: skip
"""What stands on an axis of durations: as far from each other on it, and logarithms in between."""
_STOPS_MS = [ms for ms, _ in STOPS]


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """What stands over one piece of the axis."""

    x: int
    """Where the piece begins."""
    title: str
    """All its numbers in words."""
    query: str
    """The runs behind it, as the page of runs asks for them."""
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A quantile over time."""

    name: str
    number: int
    """1, 2, 3: how it is drawn."""
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns or lines, and what stands beside them."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    across: tuple[str, ...]
    """Under it, from left to right."""
    up: tuple[str, ...]
    """Beside it, from the top to the bottom."""

    @property
    def width(self) -> int:
        return STEP * len(self.columns)

    @property
    def names_each(self) -> bool:
        """Whether each piece has its word under it."""
        return len(self.across) == len(self.columns)

    @property
    def inset(self) -> float:
        """Between a bar and the edge of its piece."""
        return 1.5 if len(self.columns) <= 60 else 0.75

    @property
    def rules(self) -> tuple[float, ...]:
        """Where the words beside it have their lines."""
        last = len(self.up) - 1
        return tuple(round(HEIGHT * place / last, 2) for place in range(len(self.up)))


@dataclass(frozen=True, slots=True)
class Point:
    """A piece of the axis: what it is called, what it says, where it leads."""

    short: str
    title: str
    query: str = ""


def stacked(points: Sequence[Point], counts: Sequence[Mapping[str, int]]) -> Chart:
    """Columns of counts by tone, from the bottom to the top in the order of each mapping."""
    top = _even_top(max((sum(each.values()) for each in counts), default=0))
    columns = tuple(
        Column(place * STEP, point.title, point.query, _bars(each, top))
        for place, (point, each) in enumerate(zip(points, counts, strict=True))
    )
    return Chart(columns, (), _across(points), (compact(top), compact(top // 2), "0"))


def lines(points: Sequence[Point], named: Mapping[str, Sequence[int | None]]) -> Chart:
    """Durations (ms) over time, a line for each name; a piece without a duration is a gap."""
    known = [ms for series in named.values() for ms in series if ms is not None]
    low = max(0, bisect_right(_STOPS_MS, max(1, min(known, default=1))) - 1)
    high = min(len(STOPS) - 1, max(low + 1, bisect_left(_STOPS_MS, max(known, default=1))))
    drawn = tuple(
        Line(name, number, _path([None if ms is None else _height(ms, low, high) for ms in series]))
        for number, (name, series) in enumerate(named.items(), 1)
    )
    columns = tuple(Column(place * STEP, each.title, each.query) for place, each in enumerate(points))
    return Chart(columns, drawn, _across(points), tuple(name for _, name in reversed(STOPS[low : high + 1])))


def compact(number: int) -> str:
    """`950`, `1.2 k`, `40 k`, `3 M`: for an axis."""
    for size, unit in ((1_000_000_000, " G"), (1_000_000, " M"), (1_000, " k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return str(number)


def _even_top(most: int) -> int:
    """The least round number that is not below `most` and has a whole half."""
    size = 2
    while most > 10 * size:
        size *= 10
    return next(top for step in range(1, 11) if (top := step * size) >= most)


def _bars(counts: Mapping[str, int], top: int) -> tuple[Bar, ...]:
    bars: list[Bar] = []
    below = 0
    for tone, count in counts.items():
        if count > 0:
            height = HEIGHT * count / top
            bars.append(Bar(tone, round(HEIGHT * (1 - below / top) - height, 2), round(height, 2)))
            below += count
    return tuple(bars)


def _across(points: Sequence[Point]) -> tuple[str, ...]:
    """The first, the middle and the last, or all if they are few."""
    if len(points) <= 7:
        return tuple(each.short for each in points)
    return points[0].short, points[len(points) // 2].short, points[-1].short


def _height(ms: int, low: int, high: int) -> float:
    """From the bottom of an axis between these two stops."""
    ms = max(ms, _STOPS_MS[low])
    below = min(bisect_right(_STOPS_MS, ms) - 1, high - 1)
    share = math.log(ms / _STOPS_MS[below]) / math.log(_STOPS_MS[below + 1] / _STOPS_MS[below])
    return HEIGHT * (below - low + min(share, 1)) / (high - low)


def _path(heights: Sequence[float | None]) -> str:
    """A line through the middle of each piece; a point that stands alone is a dot."""
    parts = []
    for is_gap, stretch in groupby(enumerate(heights), key=lambda each: each[1] is None):
        if not is_gap:
            places = [f"{place * STEP + STEP // 2} {HEIGHT - (height or 0):.2f}" for place, height in stretch]
            parts.append(f"M{'L'.join(places)}" + ("h0" if len(places) == 1 else ""))
    return "".join(parts)
