"""All that one child process says, led to where it belongs: `output.py` and `output_pipe.py` together."""

from __future__ import annotations

import contextlib
import faulthandler
import socket
from collections.abc import Iterator
from typing import Self

from .output import Home, Output
from .output_pipe import OutputPipe
from .runlog import RunLog


class Words:
    """`is_alone`: this process has one run at a time.

    Of what is written below Python nobody can say which of several runs at a time wrote it. Where there
    are several, it goes to the executor's standard error, with the child's name.
    """

    def __init__(self, output: Output, pipe: OutputPipe, *, is_alone: bool) -> None:
        self._output = output
        self._pipe = pipe
        self._is_alone = is_alone

    @classmethod
    def lead(cls, entrance: socket.socket, exit_: socket.socket, home: Home, *, is_alone: bool) -> Self:
        """Take over standard output and standard error of this process; `home` has a copy of the latter."""
        output, pipe = Output(home), OutputPipe(entrance, exit_, home)
        output.install()
        pipe.start()
        faulthandler.enable(2)  # a crash leaves its trace in the log: the parent reads what is in the pipe
        return cls(output, pipe, is_alone=is_alone)

    @contextlib.contextmanager
    def of_nobody(self) -> Iterator[None]:
        """What is said in this context, and in threads that begin in it, belongs to no run."""
        with self._output.of_nobody():
            yield

    def begin_run(self, log: RunLog) -> None:
        """What this context says belongs to this log now."""
        self._output.enter(log, is_alone=self._is_alone)
        if self._is_alone:
            self._pipe.begin_run(log)

    def end_run(self, log: RunLog) -> None:
        """Everything that was said so far is in the log when this returns."""
        self._output.leave(log)
        if self._is_alone:
            self._pipe.end_run()
        else:
            self._pipe.put_back()
