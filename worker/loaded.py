"""The handlers of one child process: imported once, begun once, destroyed once."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from baton import handlers
from baton.handlers import Handler


class Loaded:
    """What the modules declare, or why they cannot be imported."""

    def __init__(self, module_names: Sequence[str]) -> None:
        self.problem = ""
        self.handlers: dict[str, Handler] = {}
        self._begun: set[str] = set()
        try:
            self.handlers = handlers.load(module_names)
        except BaseException:
            self.problem = traceback.format_exc()

    def ready_message(self) -> list[Any]:
        """What a child says once its handlers are imported: their facts, and what went wrong."""
        facts = {
            name: {"is_async": handler.is_async, "concurrency": handler.concurrency}
            for name, handler in self.handlers.items()
        }
        return ["ready", facts, self.problem]

    def missing(self, name: str) -> str:
        """Why there is no such handler here."""
        problem = f"\n{self.problem}" if self.problem else ""
        return f"job handler [{name}] not found.{problem}"

    def is_new(self, handler: Handler) -> bool:
        """Whether its init has not run in this process yet."""
        return handler.name not in self._begun

    def begun(self, handler: Handler) -> None:
        """Its init has run."""
        self._begun.add(handler.name)

    def to_destroy(self) -> list[Handler]:
        """The handlers that were begun, for a child that leaves."""
        return [self.handlers[name] for name in sorted(self._begun)]
