"""Handlers of the executor's tests; the parameter is where they leave traces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from baton import JobContext, get_context, job

_STAY = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@job("succeed")
def succeed(context: JobContext) -> dict[str, str]:
    context.log("the param is {}", context.param)
    print("printed")
    subprocess.run([sys.executable, "-c", "print('from a subprocess')"], check=True)
    return {"param": context.param}


@job("fail")
def fail() -> None:
    raise RuntimeError("on purpose")


@job("say")
def say(context: JobContext) -> None:
    context.fail(context.param * 60_000)


@job("lose")
def lose(context: JobContext) -> None:
    context.handle_code = 0


@job("crash")
def crash() -> None:
    os._exit(3)


@job("sleep")
def sleep(context: JobContext) -> None:
    time.sleep(float(context.param))


@job("in-a-thread")
def in_a_thread() -> None:
    thread = threading.Thread(target=lambda: get_context().log("from a thread"))
    thread.start()
    thread.join()


@job("in-a-loop")
async def in_a_loop() -> int:
    return 5


@job("stubborn")
def stubborn(context: JobContext) -> None:
    """Ignore SIGTERM; have a child, and a grandchild that left group and session."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_STAY!r}], start_new_session=True)"
    )
    subprocess.run([sys.executable, "-c", grandchild], check=True)
    subprocess.Popen([sys.executable, "-c", _STAY])
    with open(context.param, "w", encoding="utf-8") as file:
        file.write("ready")
    time.sleep(600)


@job("long-line")
def long_line(context: JobContext) -> None:
    context.log("x" * 10_000_000)


@job("nothing")
def nothing() -> None:
    pass


@job("crash-after-a-while")
def crash_after_a_while() -> None:
    """Long enough for the parent to have given more runs ahead, short enough for it not to take them back."""
    time.sleep(0.01)
    os._exit(3)
