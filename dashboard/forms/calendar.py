"""The form of a calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from baton.errors import BatonError, ScheduleError

from .reading import Reading, sentence

RULES_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class CalendarForm:
    """A name, and rules as text."""

    name: str = ""
    rules: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def submitted(cls, form: Mapping[str, str]) -> Self:
        """What a person sent; the store checks it."""
        reading = Reading(form)
        return cls(reading.raw("name").strip(), reading.raw("rules")[:RULES_LIMIT])

    def with_problem(self, problem: BatonError) -> CalendarForm:
        """The same, with what the store says about it."""
        name = "rules" if isinstance(problem, ScheduleError) else "name"
        return replace(self, errors={name: sentence(str(problem))})
