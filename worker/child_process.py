"""A child process as its parent holds it: the process, and two sockets to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, TypedDict

from . import pipe, reaper
from .output_pipe import Outlet
from .turnstile import Turnstile

SOFT_SIGNAL: int = signal.SIGRTMIN + 3
"""Says that a warning is there to be read: none of the signals that programs know and use."""


@dataclass(slots=True, eq=False)
class ChildProcess:
    """What all children have in common."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    turnstile: Turnstile
    reader: pipe.Reader
    marker: str
    outlet: Outlet
    killed: int = field(default=0, init=False)
    """Once it is destroyed: how many processes SIGKILL went to, its own among them."""
    remains: bytes = field(default=b"", init=False)
    """Once it is destroyed: what its processes wrote last, and nobody read."""

    @property
    def pid(self) -> int:
        """Of the process, which leads a session of its own."""
        return self.process.pid

    def say(self, message: list[Any]) -> None:
        """Send it a message; a child that died says so by its connection."""
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(pipe.pack(message))

    def hang_up(self) -> None:
        """Let it leave; it does so when it has nothing to run."""
        self.turnstile.close()
        self.connection.close()

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until it has ended by itself, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_s)

    def destroy(self) -> None:
        """Kill it with all it started; nothing of it is alive afterwards."""
        self.hang_up()
        self.killed = reaper.kill_all(self.pid, self.marker)
        self.process.wait()
        self.remains = self.outlet.remains()
        self.outlet.close()


class Parts(TypedDict):
    """What a started child consists of."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    turnstile: Turnstile
    reader: pipe.Reader
    marker: str
    outlet: Outlet


def start(kind: str, marker: str, settings: dict[str, Any]) -> Parts:
    """Start a child of this kind (`sync` or `async`); it says `ready` when its handlers are imported."""
    ours, theirs = socket.socketpair()
    turnstile, outlet = Turnstile(), Outlet()
    descriptors = [each.fileno() for each in (theirs, turnstile.exit, outlet.entrance, outlet.exit)]
    environ = {**os.environ, reaper.MARKER: marker}
    if settings["reload"]:  # two edits within one second: the second must not meet the code of the first
        environ["PYTHONDONTWRITEBYTECODE"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.child", kind, *map(str, descriptors), str(os.getpid())],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=environ,
    )
    theirs.close()
    outlet.started()
    ours.sendall(pipe.pack(["settings", settings]))
    return Parts(
        process=process,
        connection=ours,
        turnstile=turnstile,
        reader=pipe.Reader(ours),
        marker=marker,
        outlet=outlet,
    )
