"""What the main thread listens to: its children, and the words other threads leave for it.

Children are started, spoken to and ended on the main thread only, because the tie that ends a child
with its parent (PR_SET_PDEATHSIG) is to the thread that started it.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Callable


class Ear:
    """A selector with an inbox."""

    def __init__(self) -> None:
        self._inbox: deque[Callable[[], object]] = deque()
        self._selector = selectors.DefaultSelector()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._selector.register(self._receiver, selectors.EVENT_READ, self._swallow)

    def post(self, word: Callable[[], object]) -> None:
        """From any thread: let the main thread do this."""
        self._inbox.append(word)
        self.wake()

    def wake(self) -> None:
        """From any thread or signal handler: let the main thread look around now."""
        with contextlib.suppress(BlockingIOError):
            self._sender.send(b"w")

    def listen_to(self, connection: socket.socket, on_word: Callable[[], None]) -> None:
        """Call `on_word` when there is something to read."""
        self._selector.register(connection, selectors.EVENT_READ, on_word)

    def forget(self, connection: socket.socket) -> None:
        """Listen to it no longer."""
        self._selector.unregister(connection)

    def read_inbox(self) -> None:
        """Do what was posted so far; what is posted meanwhile waits for the next look."""
        for _ in range(len(self._inbox)):
            self._inbox.popleft()()

    def wait(self, patience_s: float) -> None:
        """Wait until somebody says something, at most so long, and hear it."""
        for key, _events in self._selector.select(patience_s):
            if key.fileobj in self._selector.get_map():  # an earlier word may have ended this one
                key.data()

    def _swallow(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._receiver.recv(4096)
