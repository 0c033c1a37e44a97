"""For authors' tests: run a handler with a made-up context, without Redis and without a process.

ran = run(send_report, param={"day": "monday"})
assert ran.outcome is Outcome.SUCCEEDED
assert ran.log == ("sent 7 reports",)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from .context import Progress, Shard
from .handlers import Handler, registered
from .rehearsal import WHOLE, Ran, Rehearsal
from .vocabulary import Outcome

__all__ = ["run", "arun", "Ran", "Outcome", "Progress", "Shard"]


def run(
    decorated: Callable[..., Any],
    *,
    param: object = "",
    shard: Shard | tuple[int, int] = WHOLE,
    attempt: int = 1,
    time_left_s: float | None = None,
    cancelled: bool = False,
) -> Ran:
    """Run a function or class decorated with `@job`, with its `init` and `destroy`, to its end.

    A `param` that is no text is handed over as JSON. `shard` is index and total; `time_left_s` sets the
    deadline the handler sees; `cancelled` says from the start that the run shall end. Raises
    `LookupError` for what is not decorated, and `RuntimeError` for a coroutine where an event loop runs
    already: there, `arun`.
    """
    recorder = _Recorder(decorated, param, shard, attempt, time_left_s, cancelled=cancelled)
    return recorder.of(recorder.rehearsal.run())


async def arun(
    decorated: Callable[..., Any],
    *,
    param: object = "",
    shard: Shard | tuple[int, int] = WHOLE,
    attempt: int = 1,
    time_left_s: float | None = None,
    cancelled: bool = False,
) -> Ran:
    """As `run`, on the running event loop; several may run at a time."""
    recorder = _Recorder(decorated, param, shard, attempt, time_left_s, cancelled=cancelled)
    return recorder.of(await recorder.rehearsal.arun())


class _Recorder:
    """Keeps what a handler says while it runs."""

    def __init__(
        self,
        decorated: Callable[..., Any],
        param: object,
        shard: Shard | tuple[int, int],
        attempt: int,
        time_left_s: float | None,
        *,
        cancelled: bool,
    ) -> None:
        self._lines: list[str] = []
        self._progress: list[Progress] = []
        left = None if time_left_s is None else timedelta(seconds=time_left_s)
        self.rehearsal = Rehearsal(
            _handler_of(decorated),
            param=param if isinstance(param, str) else json.dumps(param),
            shard=shard if isinstance(shard, Shard) else Shard(*shard),
            attempt=attempt,
            write_line=lambda text, _depth: self._lines.append(text),
            report=self._progress.append,
            deadline=None if left is None else datetime.now(UTC) + left,
            cancelled=cancelled,
        )

    def of(self, ran: Ran) -> Ran:
        return replace(ran, log=tuple(self._lines), progress=tuple(self._progress))


def _handler_of(decorated: Callable[..., Any]) -> Handler:
    for handler in registered().values():
        if handler.decorated is decorated:
            return handler
    raise LookupError(f"{decorated!r} is not decorated with @job")
