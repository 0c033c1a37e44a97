"""The handlers of one child process: imported once, begun once, destroyed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baton import loading
from baton.handlers import Handler

from . import builtin


class Loaded:
    """What the modules declare, and why some of them cannot be imported."""

    def __init__(self, module_names: Sequence[str], built_in: Mapping[str, Sequence[str]]) -> None:
        builtin.declare(built_in)
        loaded = loading.load(module_names)
        self.handlers = loaded.handlers
        self.problem = ""
        """Why some are missing: a line each, then the traces."""
        if loaded.problems:
            lines = [f"{problem}\n" for problem in loaded.problems]
            self.problem = "\n".join(["".join(lines), *(problem.trace for problem in loaded.problems)])
        self._begun: set[str] = set()

    def ready_message(self) -> list[Any]:
        """What a child says once its handlers are imported: their facts, and what went wrong."""
        facts = {
            name: {
                "is_async": handler.is_async,
                "concurrency": handler.concurrency,
                "max_rss_mb": handler.max_rss_mb,
                "max_cpu_s": handler.max_cpu_s,
                "soft_timeout_s": handler.soft_timeout_s,
            }
            for name, handler in self.handlers.items()
        }
        return ["ready", facts, self.problem]

    def missing(self, name: str) -> str:
        """Why there is no such handler here."""
        problem = f"\n{self.problem}" if self.problem else ""
        return f"job handler [{name}] not found.{problem}"

    def is_new(self, handler: Handler) -> bool:
        """Whether its init has not run in this process yet; one that raised did not."""
        return handler.name not in self._begun

    def begun(self, handler: Handler) -> None:
        """Its init has run."""
        self._begun.add(handler.name)

    def to_destroy(self) -> list[Handler]:
        """The handlers that were begun, for a child that leaves."""
        return [self.handlers[name] for name in sorted(self._begun)]
