"""What the relay tests run: handlers that write the ledger at their start and at their end.

Their parameter says how they behave; empty means: end at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
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


@job("told")
def told(context: JobContext) -> str:
    """Tell OpenTelemetry of something, in a thread too; then fail, the first time if `param` says so."""
    from opentelemetry import trace

    tracer = trace.get_tracer("the author")
    with tracer.start_as_current_span("own"):
        thread = threading.Thread(target=lambda: tracer.start_span("of a thread").end())
        thread.start()
        thread.join()
    if context.param == "fail first" and context.attempt == 1:
        raise RuntimeError("the first time it fails")
    return "done"


@job("told-async")
async def told_async(context: JobContext) -> None:
    """Tell OpenTelemetry of something, while others do the same on this event loop."""
    from opentelemetry import trace

    with trace.get_tracer("the author").start_as_current_span("own"):
        await asyncio.sleep(0.05)
        trace.get_tracer("the author").start_span(f"within {context.log_id}").end()


@job("knows-opentelemetry")
def knows_opentelemetry(context: JobContext) -> bool:
    """Whether this process has loaded any of it."""
    return any(name.partition(".")[0] == "opentelemetry" for name in sys.modules)


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
