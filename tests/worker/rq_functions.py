"""Functions as a team has them for RQ: they know nothing of Baton."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def add(*numbers: int, times: int = 1) -> dict[str, int]:
    return {"sum": sum(numbers) * times}


def echo(text: str) -> str:
    return text


def fill(size: int) -> str:
    return "x" * size


def no_number() -> float:
    return float("nan")


def fail() -> None:
    raise ValueError("on purpose, in RQ")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_trace(path: str, wait_for: str = "") -> None:
    with Path(path).open("a") as file:
        file.write("x")
    while wait_for and not Path(wait_for).exists():
        time.sleep(0.01)


def sleep(seconds: float) -> None:
    time.sleep(seconds)
