"""A coroutine that can be warned: what the event loop calls a cancellation arrives as a `SoftTimeout`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any

from baton.context import SOFT_TEXT, SoftTimeout


class Steered:
    """Awaits something for its task; `warn` throws a `SoftTimeout` into it."""

    def __init__(self, inner: Awaitable[Any]) -> None:
        self._inner = inner
        self._task: asyncio.Task[Any] | None = None
        self._is_warned = False

    def warn(self) -> None:
        """Once, from the event loop; nothing happens before it has begun, or after it has ended."""
        if self._task is not None and not self._task.done():
            self._is_warned = True
            self._task.cancel()

    def __await__(self) -> Generator[Any, Any, Any]:
        self._task = asyncio.current_task()
        inner = self._inner.__await__()
        send: Any = None
        error: BaseException | None = None
        while True:
            try:
                waits_for = inner.throw(error) if error is not None else inner.send(send)
            except StopIteration as end:
                return end.value
            send = error = None
            try:
                send = yield waits_for
            except asyncio.CancelledError as cancelled:
                error = self._soften(cancelled)
            except BaseException as thrown:
                error = thrown

    def _soften(self, cancelled: asyncio.CancelledError) -> BaseException:
        if not self._is_warned or self._task is None:
            return cancelled
        self._is_warned = False
        # the task was not cancelled after all: time-outs inside the handler count on that
        self._task.uncancel()
        return SoftTimeout(SOFT_TEXT)
