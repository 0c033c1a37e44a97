"""Counts the connections that stay open, so that they can never use up all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class Streams:
    """At most `most` open streams in this process; all of them end when it is told to stop."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._is_serving: Callable[[], bool] = _always

    def end_unless(self, is_serving: Callable[[], bool]) -> None:
        """Let every stream end soon after `is_serving` answers False."""
        self._is_serving = is_serving

    @property
    def are_welcome(self) -> bool:
        """Whether this process still serves."""
        return self._is_serving()

    def admit(self, stream: Iterator[str]) -> Iterator[str] | None:
        """`stream`, holding one place until it is closed; None when all places are taken."""
        if not self._free.acquire(blocking=False):
            return None
        return _Admitted(stream, self._free.release)


class _Admitted:
    """An iterator whose end, or whose client's disappearance, gives the place back exactly once."""

    def __init__(self, stream: Iterator[str], give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._stream)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Called by the server when the connection is gone, even before the first piece was asked for."""
        with self._lock:
            give_back, self._give_back = self._give_back, None
        if give_back:
            give_back()


def _always() -> bool:
    return True
