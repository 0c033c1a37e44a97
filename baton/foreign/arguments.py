"""Arguments of a call at another scheduler, which here are JSON."""

from __future__ import annotations

import json
from typing import Any

from ..errors import InputError


def check_kinds(function: str, args: Any, kwargs: Any) -> None:
    """Raise `InputError` unless these are arguments in order and by name."""
    if not isinstance(args, list | tuple) or not isinstance(kwargs, dict):
        raise InputError(
            f"{function} has args {args!r:.40} and kwargs {kwargs!r:.40}: they are a list and a dict"
        )


def check_plain(function: str, given: Any) -> None:
    """Raise `InputError` unless JSON gives back the same."""
    try:
        is_plain = json.loads(json.dumps(given)) == given
    except (TypeError, ValueError, RecursionError):
        is_plain = False
    if not is_plain:
        raise InputError(
            f"{function} has arguments that JSON does not have, as {given!r:.80}: give it others"
        )
