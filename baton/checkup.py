"""What a look at a part of an installation finds: a line for people and for probes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LARGEST_SKEW_MS = 2000
"""Two clocks may differ by less."""


class Verdict(StrEnum):
    """How good it is."""

    GOOD = "good"
    WARNING = "warning"
    """It works, and somebody should know."""
    BAD = "bad"
    """It does not work, or loses what it is given."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    verdict: Verdict
    subject: str
    text: str
    """What was found; if that is not good, also how to mend it."""

    def __str__(self) -> str:
        return f"{self.verdict:<8} {self.subject}: {self.text}"


def good(subject: str, text: str) -> Line:
    """It is as it should be."""
    return Line(Verdict.GOOD, subject, text)


def warning(subject: str, text: str) -> Line:
    """It works, and somebody should know."""
    return Line(Verdict.WARNING, subject, text)


def bad(subject: str, text: str) -> Line:
    """It does not work, or loses what it is given."""
    return Line(Verdict.BAD, subject, text)


def risk(subject: str, text: str, *, is_production: bool) -> Line:
    """What production must not live with, and one machine of a developer may."""
    return bad(subject, text) if is_production else warning(subject, text)


def has_bad(lines: Iterable[Line]) -> bool:
    """Whether a probe should say no."""
    return any(line.verdict is Verdict.BAD for line in lines)


def told_skew(skew_ms: int) -> str:
    """`3.2 s ahead of`, `12 ms behind`; 0 is `0 ms ahead of`."""
    size = f"{abs(skew_ms) / 1000:.1f} s" if abs(skew_ms) >= 1000 else f"{abs(skew_ms)} ms"
    return f"{size} {'behind' if skew_ms < 0 else 'ahead of'}"
