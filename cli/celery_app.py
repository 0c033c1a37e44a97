"""Finds the beat schedule of a Celery app, or of settings, in a module of the user's own project."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baton.errors import InputError

_SCHEDULE = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE", "BEAT_SCHEDULE")
_ZONE = ("timezone", "CELERY_TIMEZONE", "TIME_ZONE")
_IS_UTC = ("enable_utc", "CELERY_ENABLE_UTC")


@dataclass(frozen=True, slots=True)
class Beat:
    """A schedule, and whose clock it follows."""

    schedule: Mapping[str, Any]
    zone: str
    """Empty if nothing says so."""


def find(target: str) -> Beat:
    """`module:object`, or a module of settings; it is imported, as Celery would. Raises `InputError`."""
    name, _, path = target.partition(":")
    found: Any = _module(name)
    for part in filter(None, path.split(".")):
        if not hasattr(found, part):
            raise InputError(
                f"{target!r}: there is no {part!r}; write module:app, or the module of the settings"
            )
        found = getattr(found, part)
    conf = found if _first(found, _SCHEDULE) is not None else getattr(found, "conf", found)
    schedule = conf if isinstance(conf, dict) else _first(conf, _SCHEDULE)
    if not isinstance(schedule, Mapping):
        raise InputError(f"{target!r} has no beat_schedule: write module:app, or the module of the settings")
    zone = "" if isinstance(conf, dict) else str(_first(conf, _ZONE) or "")
    return Beat(schedule, zone or ("UTC" if _first(conf, _IS_UTC) else ""))


def _module(name: str) -> Any:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as problem:  # whatever an author's file does when it is imported
        raise InputError(f"the module {name!r} cannot be imported: {problem!r}") from None


def _first(conf: Any, names: tuple[str, ...]) -> Any:
    """The first of these settings that is there."""
    return next((value for name in names if (value := getattr(conf, name, None)) is not None), None)
