"""The form of a clean-up: which ended runs shall go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from baton.store.retention import Spent

from ..options import DAY_MS
from .reading import Reading

MOST_DAYS = 36_500
MOST_RUNS = 10**12


@dataclass(frozen=True, slots=True)
class CleanUpForm:
    """By age or by number, of one group, of one job, or of all."""

    group_id: int | None = None
    job_id: int | None = None
    days: int | None = None
    spares_failed: bool = False
    """With `days`: runs that did not succeed stay."""
    newest: int | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def submitted(cls, form: Mapping[str, str]) -> Self:
        """Read and check what a person sent."""
        reading = Reading(form)
        days = reading.whole_if_any("days", "The number of days", MOST_DAYS)
        newest = reading.whole_if_any("newest", "The number of runs", MOST_RUNS)
        group_id = reading.whole_if_any("group", "The group", 2**62)
        job_id = reading.whole_if_any("job", "The job", 2**62)
        if not reading.errors and (days is None) == (newest is None):
            reading.wrong("days", "Give the days or the number of runs: one of the two.")
        if newest == 0:
            reading.wrong("newest", "The number of runs is 0; to delete all that ended give 0 days.")
        spares_failed = reading.is_checked("spares_failed")
        return cls(group_id, job_id, days, spares_failed, newest, form, reading.errors)

    @classmethod
    def blank(cls, form: Mapping[str, str]) -> Self:
        """Nothing chosen but whose runs."""
        reading = Reading(form)
        group_id = reading.whole_if_any("group", "The group", 2**62)
        return cls(group_id, reading.whole_if_any("job", "The job", 2**62), sent={**form, "days": "30"})

    def spent(self, now_ms: int) -> Spent:
        """Which runs these are now."""
        if self.newest is not None:
            return Spent(now_ms, newest=self.newest, group_id=self.group_id, job_id=self.job_id)
        # 0 days means now, which a moment of 0 would not
        before_ms = now_ms - (self.days or 0) * DAY_MS
        failed_before_ms = 0 if self.spares_failed else before_ms
        return Spent(now_ms, before_ms, failed_before_ms, group_id=self.group_id, job_id=self.job_id)
