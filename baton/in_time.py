"""Answers within a time limit, whatever the other side does.

Drivers have time-outs of their own, but they add up: a host that drops packets costs a connection five
seconds, a pool without room thirty. A probe cannot wait for that. So a question is asked in a thread, and
whoever waits gives up. While one hangs, the next asker waits for the same answer: no second thread hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class InTime:
    """Asks questions by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, Future[Any]] = {}

    def ask(self, name: str, question: Callable[[], T], *, within_s: float) -> T:
        """The answer, or what the question raised; `TimeoutError` if it takes longer."""
        return self.begin(name, question).result(within_s)

    def begin(self, name: str, question: Callable[[], T]) -> Future[T]:
        """Ask, and let the caller go on: its answer will come, unless it hangs."""
        with self._lock:
            answer = self._asked.get(name)
            if answer is None or answer.done():
                answer = self._asked[name] = Future()
                threading.Thread(
                    target=_find, args=(question, answer), name=f"ask {name}", daemon=True
                ).start()
        return answer


def _find(question: Callable[[], object], answer: Future[Any]) -> None:
    try:
        answer.set_result(question())
    except BaseException as problem:  # the thread has nobody else to tell
        answer.set_exception(problem)
