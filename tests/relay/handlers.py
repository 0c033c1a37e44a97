"""What the relay tests run: handlers that write the ledger at their start and at their end.

Their parameter says how they behave; empty means: end at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

from baton import JobContext, job
from tests.ledger import Ledger

LEDGER = "BATON_TEST_LEDGER"
"""The environment variable that names the ledger file."""


def _ledger() -> Ledger:
    return Ledger(os.environ[LEDGER])


@job("work")
def work(context: JobContext) -> None:
    """Work for `param` seconds."""
    facts = {"job_id": context.job_id, "log_id": context.log_id, "attempt": context.attempt}
    _ledger().start(**facts)
    time.sleep(float(context.param or 0))
    _ledger().end(**facts)


@job("work-async")
async def work_async(context: JobContext) -> None:
    """Work for `param` seconds, on the event loop."""
    facts = {"job_id": context.job_id, "log_id": context.log_id, "attempt": context.attempt}
    _ledger().start(**facts)
    await asyncio.sleep(float(context.param or 0))
    _ledger().end(**facts)


@job("fail")
def fail(context: JobContext) -> None:
    """Come to the end, and fail there."""
    work(context)
    raise RuntimeError("this handler always fails")


@job("fail-once")
def fail_once(context: JobContext) -> None:
    """Fail unless `param` names a file; make that file."""
    work_without_param = {"job_id": context.job_id, "log_id": context.log_id, "attempt": context.attempt}
    _ledger().start(**work_without_param)
    first = not os.path.exists(context.param)
    open(context.param, "a", encoding="utf-8").close()
    _ledger().end(**work_without_param)
    if first:
        raise RuntimeError("this handler fails the first time")


@job("talk")
def talk(context: JobContext) -> None:
    """Log one line of `param` characters."""
    context.log("x" * int(context.param))


_STAY = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
_CHILD = (
    "import subprocess, sys; "
    f"subprocess.Popen([sys.executable, '-c', {_STAY!r}], start_new_session=True); {_STAY}"
)


@job("stubborn-unless-told")
def stubborn_unless_told(context: JobContext) -> None:
    """Be stubborn if the parameter is `stay`, else end at once."""
    if context.param == "stay":
        stubborn(context)


@job("stubborn")
def stubborn(context: JobContext) -> None:
    """Ignore SIGTERM, have a child and a grandchild that left the group, and stay."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", _CHILD])
    _ledger().start(job_id=context.job_id, log_id=context.log_id, attempt=context.attempt)
    time.sleep(600)
