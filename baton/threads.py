"""Threads that a handler starts belong to its run.

Python starts a thread with an empty context, and a pool runs a call in the context of whoever made
its thread. Here both get a copy of the context of whoever asked for it: `Thread.start` and
`ThreadPoolExecutor.submit` are replaced, in processes that run handlers and nowhere else. Newer
Pythons can do the first by themselves (`thread_inherit_context`).
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_plain_start = threading.Thread.start
_plain_submit = ThreadPoolExecutor.submit
_lock = threading.Lock()
_wanted: list[None] = []


def inherit() -> None:
    """From now on, threads of this process inherit the context of who starts them."""
    with _lock:
        _wanted.append(None)
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]
        ThreadPoolExecutor.submit = _submit  # type: ignore[method-assign, assignment]


@contextlib.contextmanager
def inheriting() -> Iterator[None]:
    """As `inherit`, for as long as somebody is within."""
    inherit()
    try:
        yield
    finally:
        with _lock:
            _wanted.pop()
            if not _wanted:
                threading.Thread.start = _plain_start  # type: ignore[method-assign]
                ThreadPoolExecutor.submit = _plain_submit  # type: ignore[method-assign]


def _start(thread: threading.Thread) -> None:
    # on the object, not around the target: subclasses have a `run` of their own
    thread.run = functools.partial(contextvars.copy_context().run, thread.run)  # type: ignore[method-assign]
    _plain_start(thread)


def _submit(
    pool: ThreadPoolExecutor, function: Callable[..., Any], /, *arguments: Any, **named: Any
) -> Future[Any]:
    return _plain_submit(pool, contextvars.copy_context().run, function, *arguments, **named)
