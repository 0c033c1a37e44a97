"""What every function of RQ becomes, wherever it was scheduled: a job of type RQ, for the bridge."""

from __future__ import annotations

import re
from typing import Any

from ..errors import InputError
from ..vocabulary import GlueType
from .arguments import check_kinds, check_plain
from .crontab import MACROS

_LIMIT = re.compile(r"(\d+)([hms]?)")
_SECONDS = {"h": 3600, "m": 60, "s": 1, "": 1}
_FIELDS = 5


def said_of(function: str, queue: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """Function, queue and arguments in the words of a declaration; raises `InputError`."""
    check_kinds(function, args, kwargs)
    if args and kwargs:
        raise InputError(
            f"{function} is called with positional and named arguments; here it is one or the other: name all"
        )
    given = dict(kwargs) if kwargs else list(args)
    said = {"glue_type": GlueType.RQ.value, "handler": f"{queue}:{function}"}
    if not given:
        return said
    check_plain(function, given)
    return {**said, "param": given}


def cron_of(expression: str) -> str:
    """A cron expression of RQ as a standard one; raises `InputError`."""
    found = MACROS.get(expression.strip().lower(), expression.strip())
    if len(found.split()) != _FIELDS:
        raise InputError(
            f"its expression {expression!r} has {len(found.split())} fields; one with five can be taken "
            "(a sixth would be the seconds)"
        )
    return found


def timeout_of(limit: object) -> int:
    """Seconds, out of `90`, `"90"`, `"2h"`; none for -1. Raises `InputError`."""
    text = "" if limit is None else str(limit)
    if text in {"", "-1"}:
        return 0
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise InputError(f"its time-out {limit!r:.40} is neither seconds nor such as '2h'")
    return int(found[1]) * _SECONDS[found[2]]
