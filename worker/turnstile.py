"""Decides, exactly once, whether a run that was given to a child has begun.

A child is given several short runs ahead, so that it need not wait for its parent between them.
To begin one, it takes the run's ticket out of a socket. The parent keeps that end of the socket
open too, and can take tickets back. The kernel hands each ticket to one of the two: a run begins,
or it is the parent's again, and neither has to ask the other.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

_TICKET = struct.Struct(">Q")


class Turnstile:
    """The parent's side."""

    def __init__(self) -> None:
        self._entrance, self.exit = socket.socketpair()

    def admit(self, numbers: Iterable[int]) -> None:
        """Let the child begin these runs, in this order."""
        self._entrance.sendall(b"".join(_TICKET.pack(number) for number in numbers))

    def take_back(self) -> set[int]:
        """The tickets that the child has not taken; it never will."""
        taken = bytearray()
        try:
            while received := self.exit.recv(4096, socket.MSG_DONTWAIT):
                taken += received
        except BlockingIOError:
            pass
        return {number for (number,) in _TICKET.iter_unpack(taken)}

    def close(self) -> None:
        """The child's `enter` answers None from now on."""
        self._entrance.close()
        self.exit.close()


def enter(turnstile: socket.socket) -> int | None:
    """The child's side: wait for the next ticket; None when the parent is gone."""
    try:
        ticket = turnstile.recv(_TICKET.size, socket.MSG_WAITALL)
    except ConnectionError:
        return None
    return _TICKET.unpack(ticket)[0] if len(ticket) == _TICKET.size else None
