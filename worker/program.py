"""A program that a run starts and waits for: a script's interpreter, a command.

It belongs to the child's process group, so whatever ends the run ends it with all it started. It inherits the
executor's environment and folder, but none of Baton's own secrets, and nothing on standard input.

A platform that stops a machine sends SIGTERM to every process of it at once. A child survives that, a
program need not: `Terminated` says so, and the child finds out whether the whole executor is stopping.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from baton.context import Cancelled, JobContext

_SECRETS = (
    "BATON_ACCESS_TOKEN",
    "BATON_SECRET_KEY",
    "BATON_ADMIN_PASSWORD",
    "BATON_METRICS_TOKEN",
    "REDIS_URL",
    "DATABASE_URL",
    "BATON_RQ_URL",
    "BATON_LOG_ARCHIVE_URL",
)
_BY_SIGTERM = (-signal.SIGTERM, 128 + signal.SIGTERM)
"""The second is how a shell says that what it waited for was terminated."""


class CannotStart(Exception):
    """The program cannot be started; the text says why."""


class Terminated(Exception):
    """The program was ended by a SIGTERM that this run was not told of; the text says so."""


def run(arguments: Sequence[str]) -> int:
    """Run a program to its end; answers its return code. Raises `CannotStart`."""
    try:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, env=without_secrets())
    except OSError as problem:
        raise CannotStart(_why_not(arguments, problem)) from None
    except ValueError as problem:  # a NUL character, half a surrogate pair
        raise CannotStart(f"{arguments[0]} cannot be given its arguments: {problem}") from None
    return _wait_for(process)


def failed(context: JobContext, code: int, text: str) -> None:
    """The program ended with this return code, which is none of success; raises `Terminated`."""
    if code in _BY_SIGTERM:
        raise Terminated(text)
    context.fail(text)


def without_secrets() -> dict[str, str]:
    """A copy of the environment; whoever writes a script must not learn how messages are signed.

    Nor the addresses of what Baton keeps its jobs in: they carry passwords.
    """
    return {name: value for name, value in os.environ.items() if name not in _SECRETS}


def _why_not(arguments: Sequence[str], problem: OSError) -> str:
    name = Path(arguments[0]).name
    if problem.errno == errno.E2BIG:
        size = sum(len(os.fsencode(each)) for each in arguments)
        return (
            f"{name} cannot be started: its arguments have {size:,} bytes, more than a program can be given; "
            "store the data elsewhere and pass a reference to it"
        )
    return f"{name} cannot be started: {problem.strerror or problem}"


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    """Its return code. A run that is cancelled waits on: the signal went to the program as well."""
    try:
        return process.wait()
    except Cancelled:
        while process.returncode is None:
            with contextlib.suppress(Cancelled):
                process.wait()
        raise
