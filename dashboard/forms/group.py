"""The forms of an executor group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from baton.declarations import APP_NAME
from baton.store.groups import GroupView

from .reading import Reading


@dataclass(frozen=True, slots=True)
class GroupForm:
    """A new group: the name executors register under, and one for people."""

    app_name: str = ""
    title: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def submitted(cls, form: Mapping[str, str]) -> Self:
        """Read and check what a person sent."""
        reading = Reading(form)
        app_name = reading.line("app_name", "The app name", 64, is_required=True)
        title = reading.line("title", "The title", 64)
        if app_name and not APP_NAME.fullmatch(app_name):
            reading.wrong(
                "app_name",
                f"The app name is {app_name[:40]!r}; use 1 to 64 letters, digits, '-', '_' and '.'.",
            )
        return cls(app_name, title or app_name, reading.errors)


MOST_DAYS = 36_500
MOST_RUNS = 10**12


@dataclass(frozen=True, slots=True)
class GroupEditForm:
    """What people may change about a group."""

    title: str
    keep_days: int | None
    keep_failed_days: int | None
    keep_runs: int | None
    sent: Mapping[str, str] = field(default_factory=dict)
    """As a person wrote it."""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, group: GroupView) -> Self:
        """As it is."""
        numbers = (group.keep_days, group.keep_failed_days, group.keep_runs)
        names = ("keep_days", "keep_failed_days", "keep_runs")
        sent = {
            name: "" if number is None else str(number) for name, number in zip(names, numbers, strict=True)
        }
        return cls(group.title, *numbers, {"title": group.title, **sent})

    @classmethod
    def submitted(cls, form: Mapping[str, str]) -> Self:
        """Read and check what a person sent."""
        reading = Reading(form)
        return cls(
            title=reading.line("title", "The title", 64, is_required=True),
            keep_days=reading.whole_if_any("keep_days", "The number of days", MOST_DAYS),
            keep_failed_days=reading.whole_if_any("keep_failed_days", "The number of days", MOST_DAYS),
            keep_runs=reading.whole_if_any("keep_runs", "The number of runs", MOST_RUNS),
            sent=form,
            errors=reading.errors,
        )
