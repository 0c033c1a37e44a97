"""What is written below Python: by subprocesses, by libraries in C, by a crash.

The descriptors 1 and 2 of a child process are a pipe, which a thread of the child reads into the log of
its run. Before a run's last line, everything that was written is read.

A process that outlives its run must not write into the log of the next one. Nobody can see which process
wrote what into a pipe; but a pipe without writers says so. So when a run may have left somebody behind,
the next one gets a new pipe. If the old one has writers left, it is read on, into the log of the run that
left them behind. What comes outside a run goes to the executor's standard error.

A handler may close these descriptors, or put a file in their place. What is opened next would get the
closed numbers, the journal of endings for one, and the next run's subprocesses would write into it: so
when a run ends, they are a pipe again.

The parent can reach the reading end of the newest pipe (`Outlet`): of a child that was killed, it reads
what is left. The kernel keeps that descriptor in a socket, so it is there whatever the child died of.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import socket
import sys
import termios
import threading
from dataclasses import dataclass
from typing import Any

from .output import Home
from .runlog import LINE_CAP_CHARS, OUTPUT, RunLog, lines_of

_PIPE_BYTES = 256 * 1024
_READS_AT_ONCE = 16
_HUSH_S = 1.0
"""After so long without more, an unfinished line is shown."""
_MOST_LEFT_OVER = 8
_AFTER_THE_END = "output, after the end"
_STARTS_PROCESSES = frozenset(
    ["subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"]
)


class Outlet:
    """The parent's side: where the reading end of its child's pipe can be had."""

    def __init__(self) -> None:
        self.entrance, self.exit = socket.socketpair()

    def started(self) -> None:
        """The child has its copies."""
        self.entrance.close()

    def remains(self) -> bytes:
        """What the child's processes wrote last. To be asked when they are dead, once."""
        left = bytearray()
        with contextlib.suppress(OSError):  # BlockingIOError: there are no more
            while descriptors := _received(self.exit):
                for descriptor in descriptors:
                    left += _read_all(descriptor)
                    os.close(descriptor)
        return bytes(left)

    def close(self) -> None:
        """Nobody asks any more."""
        self.exit.close()


@dataclass(slots=True, eq=False)
class _Pipe:
    """The reading end of one pipe, and whose words come out of it."""

    descriptor: int
    log: RunLog | None = None
    """None: nobody's."""
    rest: bytes = b""
    """A line that has not ended."""
    site: str = OUTPUT
    has_spoken: bool = False


class OutputPipe:
    """The child's side. Runs begin and end on one thread; another one reads meanwhile."""

    def __init__(self, entrance: socket.socket, exit_: socket.socket, home: Home) -> None:
        self._entrance = entrance
        self._exit = exit_
        self._home = home
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._left_over: list[_Pipe] = []
        self._is_published = False
        self._may_have_started = False
        self._count = bytearray(4)
        self._now = self._renewed()

    def start(self) -> None:
        """Begin to read, and to notice when processes are started."""
        threading.Thread(target=self._read_on, name="output", daemon=True).start()
        sys.addaudithook(self._notice)

    def begin_run(self, log: RunLog) -> None:
        """What is written from now on belongs to this run."""
        self._now.log = log

    def end_run(self) -> None:
        """Read what the run wrote into its log, and tell what may come later from what is next."""
        with self._lock:
            pipe, log = self._now, self._now.log
            pipe.log = None
            is_silent = not (pipe.has_spoken or self._has_bytes(pipe) or self._may_have_left_somebody())
            if is_silent and self._is_in_place():
                return  # as most runs: not a word, and nobody who could say one
            pipe.log = log
            self._take(pipe)
            self._finish_line(pipe)
            pipe.log = None
            self._may_have_started = False
            self._now = self._renewed()
            self._part_with(pipe, log)

    def put_back(self) -> None:
        """Where several runs share the pipe: a new one, if one of them took it out of its place."""
        if not self._is_in_place():
            with self._lock:
                before, self._now = self._now, self._renewed()
                self._part_with(before, None)

    def _is_in_place(self) -> bool:
        try:
            ours = os.fstat(self._now.descriptor)
            return all(os.path.samestat(ours, os.fstat(each)) for each in (1, 2))
        except OSError:
            return False

    def _has_bytes(self, pipe: _Pipe) -> bool:
        fcntl.ioctl(pipe.descriptor, termios.FIONREAD, self._count, True)
        return any(self._count)

    def _may_have_left_somebody(self) -> bool:
        # multiprocessing starts processes in a way that no audit event tells of
        return self._may_have_started or ("multiprocessing.util" in sys.modules and _has_children())

    def _part_with(self, pipe: _Pipe, log: RunLog | None) -> None:
        """Close an old pipe; if somebody can still write into it, read it for the run that left them."""
        if not self._take(pipe):
            self._close(pipe)
            return
        pipe.site = _AFTER_THE_END
        if log is not None:
            with contextlib.suppress(OSError):
                pipe.log = RunLog(log.path, log.cap_bytes)
        self._left_over.append(pipe)
        if len(self._left_over) > _MOST_LEFT_OVER:
            self._close(self._left_over.pop(0))

    def _renewed(self) -> _Pipe:
        """A new pipe in the place of the descriptors 1 and 2."""
        reading, writing = map(_clear_of_standard, os.pipe())
        os.set_blocking(reading, False)
        with contextlib.suppress(AttributeError, OSError):  # not Linux; or too many pages for one user
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        self._publish(reading)
        pipe = _Pipe(reading)
        self._selector.register(reading, selectors.EVENT_READ, pipe)
        return pipe

    def _publish(self, descriptor: int) -> None:
        socket.send_fds(self._entrance, [b"p"], [descriptor])
        if self._is_published:  # take the one before it out, after the new one is in
            for old in _received(self._exit):
                os.close(old)
        self._is_published = True

    def _read_on(self) -> None:
        while True:
            has_rest = bool(self._now.rest) or any(pipe.rest for pipe in self._left_over)
            ready = self._selector.select(_HUSH_S if has_rest else None)
            with self._lock:
                for key, _events in ready:
                    pipe: _Pipe = key.data
                    if pipe is self._now and not self._take(pipe):
                        self._selector.unregister(pipe.descriptor)  # its run closed it; a new one comes
                    elif pipe in self._left_over and not self._take(pipe):
                        self._left_over.remove(pipe)
                        self._close(pipe)
                if not ready:
                    for pipe in [self._now, *self._left_over]:
                        self._finish_line(pipe)

    def _take(self, pipe: _Pipe) -> bool:
        """Read what is there, within bounds; False when nobody can write any more."""
        for _ in range(_READS_AT_ONCE):
            try:
                raw = os.read(pipe.descriptor, _PIPE_BYTES)
            except BlockingIOError:
                return True
            if not raw:
                return False
            pipe.has_spoken = True
            self._write(pipe, raw)
        return True

    def _write(self, pipe: _Pipe, raw: bytes) -> None:
        if pipe.log is not None and pipe.log.is_full:
            pipe.rest = b""
            return
        lines, end, pipe.rest = (pipe.rest + raw).rpartition(b"\n")
        if end:
            (pipe.log or self._home).lines(lines_of(lines + end), "INFO", pipe.site)
        if len(pipe.rest) > LINE_CAP_CHARS:
            self._finish_line(pipe)

    def _finish_line(self, pipe: _Pipe) -> None:
        if pipe.rest:
            rest, pipe.rest = pipe.rest, b""
            (pipe.log or self._home).lines(lines_of(rest), "INFO", pipe.site)

    def _close(self, pipe: _Pipe) -> None:
        self._finish_line(pipe)
        with contextlib.suppress(KeyError):  # nobody could write any more, and it was no longer read
            self._selector.unregister(pipe.descriptor)
        os.close(pipe.descriptor)
        if pipe.log is not None:
            pipe.log.close()

    def _notice(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if event in _STARTS_PROCESSES:
            self._may_have_started = True


def _clear_of_standard(descriptor: int) -> int:
    """The same with a number above 2, which a pipe may have been given when those were closed."""
    if descriptor > 2:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _received(connection: socket.socket) -> list[int]:
    return socket.recv_fds(connection, 1, 4, socket.MSG_DONTWAIT)[1]


def _read_all(descriptor: int) -> bytes:
    left = bytearray()
    with contextlib.suppress(BlockingIOError):
        while len(left) < _READS_AT_ONCE * _PIPE_BYTES and (raw := os.read(descriptor, _PIPE_BYTES)):
            left += raw
    return bytes(left)
