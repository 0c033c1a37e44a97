"""Frames between the executor and its children: a length, then msgpack."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any

import msgpack

_LENGTH = struct.Struct(">I")


def pack(message: list[Any]) -> bytes:
    """The bytes of one frame."""
    body: bytes = msgpack.packb(message, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(body)) + body


class Writer:
    """A child's side: whole messages, from any of its threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, message: list[Any]) -> None:
        """Send it; a parent that is gone takes this process with it."""
        with self._lock, contextlib.suppress(ConnectionError):
            self._connection.sendall(pack(message))

    def mention(self, message: list[Any]) -> None:
        """Send a message of a few hundred bytes if that can be done without waiting, else drop it."""
        # a frame that small goes out as a whole or not at all: a signal can never cut it
        with self._lock, contextlib.suppress(ConnectionError, BlockingIOError):
            self._connection.send(pack(message), socket.MSG_DONTWAIT)


class Reader:
    """Cuts what arrives on a socket into messages."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def read(self, flags: int = 0) -> list[list[Any]] | None:
        """The messages of one `recv`, perhaps none; None when the other side is gone.

        Raises `BlockingIOError` with MSG_DONTWAIT when nothing is there.
        """
        try:
            received = self._connection.recv(256 * 1024, flags)
        except ConnectionError:
            return None
        if not received:
            return None
        self._buffer += received
        messages: list[list[Any]] = []
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if len(self._buffer) - at - _LENGTH.size < length:
                break
            body = bytes(self._buffer[at + _LENGTH.size : at + _LENGTH.size + length])
            messages.append(msgpack.unpackb(body, unicode_errors="surrogatepass"))
            at += _LENGTH.size + length
        del self._buffer[:at]
        return messages
