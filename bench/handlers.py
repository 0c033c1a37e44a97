"""What the benchmarks run."""

from __future__ import annotations

import asyncio
import os
import time

from baton import JobContext, job

STARTS = "BATON_BENCH_STARTS"
"""The environment variable that names the file of handler starts."""


@job("noop")
def noop() -> None:
    """Nothing: what is measured is the way there and back."""


@job("stamp")
def stamp(context: JobContext) -> None:
    """Say when this run began, on the clock that all processes of a machine share."""
    began_ns = time.monotonic_ns()
    descriptor = os.open(os.environ[STARTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{context.log_id} {began_ns}\n".encode())
    os.close(descriptor)


@job("wait-a-second")
async def wait_a_second() -> None:
    """What a coroutine does most of its time."""
    await asyncio.sleep(1.0)


@job("stay")
def stay(context: JobContext) -> None:
    """Say which executor has this run, and stay."""
    descriptor = os.open(os.environ[STARTS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{context.log_id} {time.monotonic_ns()} {os.getppid()}\n".encode())
    os.close(descriptor)
    time.sleep(600)
