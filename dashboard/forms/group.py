"""The form of an executor group."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from .reading import Reading

_APP_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


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
        if app_name and not _APP_NAME.fullmatch(app_name):
            reading.wrong(
                "app_name",
                f"The app name is {app_name[:40]!r}; use 1 to 64 letters, digits, '-', '_' and '.'.",
            )
        return cls(app_name, title or app_name, reading.errors)
