"""Remembers reports until counting goes on: a page that is looked at every few seconds costs one row."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from sqlalchemy import Connection

from baton.store import reports
from baton.store.reports import Progress

_MOST = 100


class Memory:
    """What was made of the numbers as they are now. Threads that come at once make it twice."""

    def __init__(self) -> None:
        self._at: Progress | None = None
        self._made: dict[Hashable, Any] = {}

    def recall(self, connection: Connection, question: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` answered to this question before, if the numbers are still the same."""
        at = reports.progress(connection)
        if at != self._at or len(self._made) >= _MOST:
            self._at, self._made = at, {}
        made = self._made
        if question not in made:
            made[question] = make()
        return made[question]
