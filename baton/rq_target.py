"""What a job of type RQ names: a queue, a function on it, and the arguments of one call."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .errors import InputError

DEFAULT_QUEUE = "default"
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True, slots=True)
class RqTarget:
    """A function that the workers of an RQ queue can import."""

    queue: str
    function: str
    """Its dotted path."""


@dataclass(frozen=True, slots=True)
class RqArguments:
    """The arguments of one call: plain JSON values only."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None


def read_target(text: str) -> RqTarget:
    """Read `queue:package.module.function`; without a queue it is `default`. Raises `InputError`."""
    queue, colon, function = text.strip().rpartition(":")
    queue = queue if colon else DEFAULT_QUEUE
    if not _QUEUE.fullmatch(queue):
        raise InputError(
            f"{queue!r} is not a queue name: write queue:package.module.function, the queue in letters, "
            "digits, '-', '_' and '.'"
        )
    if not _FUNCTION.fullmatch(function):
        raise InputError(
            f"{function!r} is not the dotted path of a function: write queue:package.module.function, as in "
            "reports:shop.tasks.nightly"
        )
    return RqTarget(queue, function)


def read_arguments(param: str) -> RqArguments:
    """A JSON list gives the arguments, a JSON object the named ones, other text is the only argument.

    Raises `InputError` for what begins like a list or an object and is not JSON.
    """
    text = param.strip()
    if not text:
        return RqArguments()
    if text[0] not in "[{":
        return RqArguments((param,))
    try:
        values = json.loads(text)
    except ValueError as problem:
        raise InputError(f"the parameter looks like JSON and is not: {problem}") from None
    return RqArguments(kwargs=values) if isinstance(values, dict) else RqArguments(tuple(values))
