"""The form of a backfill: a range of the past, by the clock of the job's zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from baton.errors import InputError
from baton.store.jobs import JobView

from .job_options import typed_moment
from .reading import Reading, sentence

_DAY_MS = 24 * 3_600_000
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class BackfillForm:
    """The range as typed, and as instants if nothing is wrong with it."""

    begin: str
    end: str
    from_ms: int = 0
    until_ms: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, job: JobView, now_ms: int) -> Self:
        """The last day, up to this minute."""
        until_ms = now_ms // _MINUTE_MS * _MINUTE_MS
        return cls(typed_moment(until_ms - _DAY_MS, job.time_zone), typed_moment(until_ms, job.time_zone))

    @classmethod
    def submitted(cls, form: Mapping[str, str], job: JobView) -> Self:
        """Read what a person sent; whether it can be planned, the store says."""
        reading = Reading(form)
        from_ms = reading.moment("begin", "The beginning", job.time_zone)
        until_ms = reading.moment("end", "The end", job.time_zone)
        for name, what in (("begin", "The beginning"), ("end", "The end")):
            if not reading.raw(name).strip():
                reading.wrong(name, f"{what} is missing.")
        return cls(reading.raw("begin"), reading.raw("end"), from_ms, until_ms, reading.errors)

    def with_problem(self, problem: InputError) -> BackfillForm:
        """The same, with what the store says about it."""
        return replace(self, errors={"begin": sentence(str(problem))})
