"""Starts programs that end when their starter ends, even by SIGKILL.

The command is started through this very file as a small script, which ties itself to its
parent and then becomes the command: so no code of ours runs between fork and exec, where a
process with threads may only do very little. Linux tells a child when its parent dies
(PR_SET_PDEATHSIG); elsewhere the script stays, watches its parent, and passes signals on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_WATCH_INTERVAL_S = 0.5


def leashed(command: Sequence[str], *, end_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command to start instead of `command`: it gets `end_signal` when this process is gone.

    The tie is to the starting *thread* (as Linux has it), so start it from one that lasts.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(end_signal)), *command]


def _main(arguments: Sequence[str]) -> int:
    parent, end_signal, command = int(arguments[0]), int(arguments[1]), list(arguments[2:])
    if os.uname().sysname == "Linux":
        _tie_to_parent(end_signal)
        if os.getppid() != parent:  # it died before the tie held
            return 1
        os.execvp(command[0], command)  # noqa: S606 - an argument list, no shell
    return _watch(parent, end_signal, command)


def _tie_to_parent(end_signal: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, end_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def _watch(parent: int, end_signal: int, command: list[str]) -> int:
    child = subprocess.Popen(command, close_fds=False)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(end_signal)
            child.wait()
        time.sleep(_WATCH_INTERVAL_S)
    # a shell's way of saying "ended by signal n"
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
