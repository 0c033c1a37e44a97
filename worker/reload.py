"""For development: a changed file of handlers is taken up by fresh children.

Files are looked at, not subscribed to: that works on every file system, needs no package, and a few
hundred files cost nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from baton import telemetry
from baton.loading import HANDLERS_FOLDER

_LOOK_EVERY_S = 0.5
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})


class Reloader:
    """Looks at the files of the handler modules, and says when they have changed."""

    def __init__(self, module_names: Sequence[str], on_change: Callable[[], None]) -> None:
        self._roots = roots_of(module_names)
        self._on_change = on_change
        self._seen = self._look()

    def step(self) -> float:
        """Look once; a file that is being written is looked at again when it has grown."""
        found = self._look()
        if found != self._seen:
            changed = {path.name for path, _, _ in found ^ self._seen}
            self._seen = found
            telemetry.event("handlers.changed", files=", ".join(sorted(changed)))
            self._on_change()
        return _LOOK_EVERY_S

    def _look(self) -> set[tuple[Path, int, int]]:
        found = set()
        for path in (path for root in self._roots for path in _sources(root)):
            with contextlib.suppress(FileNotFoundError):  # an editor was replacing it
                facts = path.stat()
                found.add((path, facts.st_mtime_ns, facts.st_size))
        return found


def roots_of(module_names: Sequence[str]) -> list[Path]:
    """Where these modules stand, with what they import beside them: their whole top-level package.

    Without names, the folder of handlers, which need not be there yet.
    """
    if not module_names:
        return [Path.cwd() / HANDLERS_FOLDER]
    tops = dict.fromkeys(name.partition(".")[0] for name in module_names)
    return [root for top in tops if (root := _place_of(top)) is not None]


def _place_of(top: str) -> Path | None:
    # found by looking, not by importing: the executor itself never runs an author's code
    for folder in (Path.cwd(), *map(Path, sys.path)):
        for candidate in (folder / top, folder / f"{top}.py"):
            if candidate.exists() and "site-packages" not in candidate.parts:
                return candidate
    return None


def _sources(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))
