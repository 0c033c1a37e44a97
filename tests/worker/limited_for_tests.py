"""Handlers that use too much, take too long, or misbehave in every other way."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from baton import JobContext, SoftTimeout, job

_leak: list[bytearray] = []

ESCAPE = """
import os, sys, time, signal
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.execve(sys.executable, [sys.executable, "-c",
    "import pathlib, os, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)",
    sys.argv[1]], {})
"""


def escape(path: str) -> None:
    """Start a daemon: forked twice, a session of its own, an empty environment, deaf to SIGTERM."""
    subprocess.run([sys.executable, "-c", ESCAPE, path], check=True)
    while not (os.path.exists(path) and Path(path).read_text()):
        time.sleep(0.005)


@job("balloon", max_rss_mb=150)
def balloon() -> None:
    for _ in range(1000):
        _leak.append(bytearray(os.urandom(1024)) * 10_240)
        time.sleep(0.02)


@job("balloon-below", max_rss_mb=150)
def balloon_below(context: JobContext) -> None:
    """The memory is a subprocess's."""
    script = (
        "import os, time; kept = [bytearray(os.urandom(1024)) * 10_240 for _ in range(30)]; time.sleep(60)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@job("burn", max_cpu_s=0.5)
def burn() -> None:
    while True:
        pass


@job("leak")
def leak(context: JobContext) -> int:
    _leak.append(bytearray(os.urandom(1024)) * 10_240)
    return os.getpid()


@job("who")
def who() -> int:
    return os.getpid()


@job("warned", soft_timeout_s=0.3)
def warned(context: JobContext) -> str:
    try:
        time.sleep(30)
    except SoftTimeout as warning:
        context.log("saved, because {}", warning)
        return "saved"
    return "never warned"


@job("warned-in-vain", soft_timeout_s=0.2)
def warned_in_vain() -> None:
    time.sleep(30)


@job("warned-coroutine", soft_timeout_s=0.3)
async def warned_coroutine(context: JobContext) -> str:
    try:
        await asyncio.sleep(30)
    except SoftTimeout:
        # the task is not cancelled: it may wait again
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)
        return "saved"
    return "never warned"


@job("daemonise")
def daemonise(context: JobContext) -> None:
    escape(context.param)
    time.sleep(600)


@job("daemonise-and-die")
def daemonise_and_die(context: JobContext) -> None:
    escape(context.param)
    os.kill(os.getpid(), signal.SIGKILL)


@job("segfault")
def segfault() -> None:
    ctypes.string_at(0)


@job("flood")
def flood() -> None:
    line = "x" * 1000 + "\n"
    for _ in range(100_000):
        sys.stdout.write(line)


@job("delete-logs")
def delete_logs(context: JobContext) -> None:
    shutil.rmtree(context.param, ignore_errors=True)
    print("after the deletion")


@job("close-descriptors")
def close_descriptors() -> None:
    os.closerange(0, 50)


@job("close-output")
def close_output() -> None:
    """As code that makes a daemon of itself; what is opened next gets these numbers."""
    os.close(1)
    os.close(2)


@job("spoil-signals")
def spoil_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


@job("close-output-in-a-coroutine")
async def close_output_in_a_coroutine() -> None:
    close_output()


@job("speak-below-python")
def speak_below_python() -> list[str]:
    subprocess.run(["echo", "from below"], check=True)
    return [os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in (1, 2)]


@job("speak-below-coroutines")
async def speak_below_coroutines() -> list[str]:
    return speak_below_python()


@job("sleep-politely")
def sleep_politely() -> None:
    time.sleep(600)


@job("kill-group")
def kill_group() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


@job("take-signals")
def take_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


@job("return-twice")
def return_twice(context: JobContext) -> str:
    """A fork that forgets to leave: both return."""
    pid = os.fork()
    return "parent" if pid else "child"
