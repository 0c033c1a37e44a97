"""The form of a calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from baton.errors import InputError, ScheduleError

from .reading import Reading, sentence

RULES_LIMIT = 100_000
MOST_PROBLEMS = 10
"""So many wrong lines are named at a time."""


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
        rules = reading.text("rules", "The calendar", RULES_LIMIT)
        return cls(reading.raw("name").strip(), rules, reading.errors)

    def with_problem(self, problem: InputError) -> CalendarForm:
        """The same, with what the store says about it: each wrong rule on a line of its own."""
        name = "rules" if isinstance(problem, ScheduleError) else "name"
        lines = [sentence(text.removeprefix("calendar, ")) for text in problem.problems]
        if len(lines) > MOST_PROBLEMS:
            lines[MOST_PROBLEMS:] = [f"And {len(lines) - MOST_PROBLEMS} more lines."]
        return replace(self, errors={name: "\n".join(lines)})
