"""What a handler's word and value mean for its row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .vocabulary import HandleCode, Outcome

RESULT_LIMIT_BYTES = 64 * 1024
MOST_LEVELS = 100
RESULT_LOST = "job handle result lost."


def outcome_of(code: int) -> Outcome:
    """The outcome for a handle code that a handler left; what is no code of ours is a failure."""
    words = {HandleCode.SUCCESS.value: Outcome.SUCCEEDED, HandleCode.TIMEOUT.value: Outcome.TIMED_OUT}
    return words.get(code, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What is kept of a returned value."""

    text: str
    """JSON, at most 64 KiB; empty for no result."""
    problem: str = ""
    """Why it is not the value itself."""


def kept_result(value: Any) -> KeptResult:
    """The returned value as JSON. What JSON cannot say is kept as its `repr`; what is too large is not."""
    if value is None:
        return KeptResult("")
    problem = ""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if text.count("[") + text.count("{") > MOST_LEVELS and _is_deep(value):
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"the returned value cannot be kept as JSON ({error}); its repr is kept"
        text = json.dumps(_repr(value), ensure_ascii=False)
    if not _is_unicode(text):  # half of a surrogate pair: databases refuse it, its escape they take
        text = json.dumps(json.loads(text))
    size = len(text.encode())
    if size > RESULT_LIMIT_BYTES:
        return KeptResult(
            "",
            f"the returned value has {size:,} bytes as JSON, of {RESULT_LIMIT_BYTES:,} at most; it is not "
            "kept: store it elsewhere and return where it is",
        )
    return KeptResult(text, problem)


def _is_deep(value: Any) -> bool:
    """Readers of JSON end at some depth, each at its own."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        nested = [each for each in level if isinstance(each, dict | list | tuple)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
