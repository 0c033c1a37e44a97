"""For authors' tests: run a handler with a made-up context, without Redis and without a process.

ran = run(send_report, param="7")
assert ran.outcome is Outcome.SUCCEEDED
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import context as run_context
from .context import Cancelled, JobContext, Shard
from .handlers import registered
from .vocabulary import HandleCode, Outcome

_WHOLE = Shard(0, 1)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a handler behaved."""

    outcome: Outcome
    message: str
    result: Any
    log: tuple[str, ...]


def run(
    function: Callable[..., Any],
    *,
    param: str = "",
    shard: Shard = _WHOLE,
    attempt: int = 1,
) -> Ran:
    """Run a function decorated with `@job`; raises `LookupError` for any other."""
    handler = next((h for h in registered().values() if h.function is function), None)
    if handler is None:
        raise LookupError(f"{function!r} is not decorated with @job")
    lines: list[str] = []
    context = JobContext(
        job_id=1,
        log_id=1,
        param=param,
        shard=shard,
        attempt=attempt,
        token=1,
        planned_at=run_context.at(int(time.time() * 1000)),
        deadline=None,
        write_line=lambda text, _depth: lines.append(text),
    )
    entered = run_context.enter(context)
    result: Any = None
    try:
        result = handler(context)
    except Cancelled:
        return Ran(Outcome.KILLED, "", None, tuple(lines))
    except Exception:
        return Ran(Outcome.FAILED, traceback.format_exc(), None, tuple(lines))
    finally:
        run_context.leave(entered)
    return Ran(_outcome_of(context.handle_code), context.handle_msg, result, tuple(lines))


def _outcome_of(code: int) -> Outcome:
    words = {HandleCode.SUCCESS: Outcome.SUCCEEDED, HandleCode.TIMEOUT: Outcome.TIMED_OUT}
    return words.get(HandleCode(code), Outcome.FAILED) if code in set(HandleCode) else Outcome.FAILED
