"""Coroutines of the executor's tests; the parameter says where they leave traces, or how many they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from pathlib import Path

from baton import JobContext, get_context, job

_here = 0
_most = 0
_begun: list[str] = []
_all_here = asyncio.Event()


@contextlib.contextmanager
def _counted():
    global _here, _most
    _here += 1
    _most = max(_most, _here)
    try:
        yield
    finally:
        _here -= 1


async def _begin() -> None:
    await asyncio.sleep(0.01)
    _begun.append("init")


@job("meet", init=_begin)
async def meet(context: JobContext) -> list[str]:
    """End when as many are here as the parameter says."""
    with _counted():
        if _most >= int(context.param):
            _all_here.set()
        await _all_here.wait()
        return _begun


@job("count")
async def count(context: JobContext) -> int:
    """How many were here at the same time."""
    with _counted():
        await asyncio.sleep(float(context.param))
        return _most


@job("wait-for")
async def wait_for(context: JobContext) -> int:
    """Wait for a file."""
    while not os.path.exists(context.param):  # noqa: ASYNC110, ASYNC240 - the test is another process
        await asyncio.sleep(0.01)
    return os.getpid()


@job("speak")
async def speak(context: JobContext) -> str:
    for i in range(3):
        context.log("{} says {}", context.param, i)
        await asyncio.sleep(0.005)
        logging.getLogger("speech").info("%s logs %d", context.param, i)

    async def of_subtask() -> str:
        await asyncio.sleep(0)
        return get_context().param

    return await asyncio.create_task(of_subtask())


@job("tidy")
async def tidy(context: JobContext) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        context.log("tidied up, cancelled: {}", context.cancelled)


@job("swallow")
async def swallow(context: JobContext) -> None:
    """Go on after the first cancellation."""
    for _ in range(2):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    context.log("went on")
    await asyncio.sleep(60)


@job("refuse-to-end")
async def refuse_to_end() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@job("block")
async def block(context: JobContext) -> None:
    time.sleep(float(context.param))  # noqa: ASYNC251 - what is tested


@job("leave")
async def leave() -> None:
    os._exit(5)


@job("raise")
async def raise_error() -> None:
    raise RuntimeError("a coroutine on purpose")


@job("spawn")
async def spawn(context: JobContext) -> None:
    """Start a process that leaves the session and ignores SIGTERM, and wait for it."""
    script = (
        "import os, pathlib, signal, sys, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, context.param)
    await process.wait()


@job("two-at-a-time", concurrency=2)
def two_at_a_time(context: JobContext) -> None:
    path = Path(context.param)
    for word in ("+", "-"):
        with path.open("a") as file:
            file.write(word)
        time.sleep(0.05)


async def _go_on(path: Path) -> None:
    try:
        await asyncio.sleep(600)
    finally:
        path.touch()  # noqa: ASYNC240 - the trace that the test looks for


@job("leave-a-task")
async def leave_a_task(context: JobContext) -> None:
    """Wait beside a task of its own, which says when it has been ended."""
    beside = asyncio.create_task(_go_on(Path(context.param)))
    await asyncio.sleep(600)
    await beside


class _Shared:
    """A handler whose `init` starts what all its runs use."""

    async def init(self) -> None:
        self.beside = asyncio.create_task(asyncio.sleep(600))

    async def run(self, context: JobContext) -> str:
        if context.param == "wait":
            await asyncio.sleep(600)
        return "gone" if self.beside.done() else "there"


job("shared-task")(_Shared)
