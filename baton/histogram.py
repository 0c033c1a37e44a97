"""Durations counted in buckets that grow: small, mergeable, and off by a known share at most. Pure.

Bucket 0 holds what took a millisecond or less, bucket i what took more than GROWTH**(i-1) ms and at most
GROWTH**i. A quantile answers the value of its bucket that is off by the same share at either edge: by ERROR
at most (and by the rounding to whole milliseconds). Histograms of days and of jobs add up to the very
histogram that all their durations would have made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

_STEPS = 8
"""Buckets for each doubling."""
GROWTH = 2 ** (1 / _STEPS)
ERROR = (GROWTH - 1) / (GROWTH + 1)
"""4.3 %: no quantile is further off than that."""
LAST = 35 * _STEPS
"""The bucket of 2**35 ms, which is a year, and of everything longer: no histogram has more than 281."""


@dataclass(slots=True)
class Histogram:
    """How many durations fell into which bucket."""

    counts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, durations_ms: Iterable[int]) -> Histogram:
        """The histogram of these."""
        made = cls()
        for each in durations_ms:
            made.add(each)
        return made

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """What `encode` wrote."""
        pairs = json.loads(text) if text else []
        return cls(dict(zip(pairs[::2], pairs[1::2], strict=True)))

    def encode(self) -> str:
        """Bucket, count, bucket, count, … as JSON; empty without any."""
        pairs = [each for bucket in sorted(self.counts) for each in (bucket, self.counts[bucket])]
        return json.dumps(pairs, separators=(",", ":")) if pairs else ""

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts.values())

    def add(self, duration_ms: int) -> None:
        """Count one more; what clocks made negative took no time."""
        bucket = bucket_of(duration_ms)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Count what the other one counted, too."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def quantile(self, share: float) -> int | None:
        """The duration (ms) that this share of all did not exceed; None if nothing was counted."""
        rank = max(1, math.ceil(share * self.total))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return middle_of(bucket)
        return None


def bucket_of(duration_ms: int) -> int:
    """Where it is counted."""
    if duration_ms <= 1:
        return 0
    return min(LAST, math.ceil(math.log2(duration_ms) * _STEPS))


def middle_of(bucket: int) -> int:
    """The duration (ms) that stands for a bucket."""
    high = GROWTH**bucket
    return round(2 * high / (GROWTH + 1)) if bucket else 0
