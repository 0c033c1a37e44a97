"""Handlers of the context's tests; the parameter is mostly a folder where they leave traces and wait."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from baton import JobContext, get_context, job

POOL = ThreadPoolExecutor(1)
"""Of the module: its one thread is made by whichever run comes first."""


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


@job("class")
class Counting:
    """Says which instance it is, and the how-manieth run of it."""

    def init(self) -> None:
        self.runs = 0

    def run(self, context: JobContext) -> str:
        self.runs += 1
        self.folder = Path(context.param)
        return f"{os.getpid()} {self.runs}"

    def destroy(self) -> None:
        (self.folder / f"destroyed-{os.getpid()}-{self.runs}").touch()


@job("async-class")
class CountingCoroutine:
    """As above, on the event loop."""

    async def init(self) -> None:
        await asyncio.sleep(0)
        self.runs = 0

    async def run(self, context: JobContext) -> str:
        self.runs += 1
        self.folder = Path(context.param)
        return f"{os.getpid()} {self.runs}"

    async def destroy(self) -> None:
        (self.folder / f"destroyed-{os.getpid()}-{self.runs}").touch()
        raise RuntimeError("destroy fails on purpose")


@job("needs-a-file")
class NeedsAFile:
    """Its init fails until there is a file `ready` in the folder that the environment names."""

    def init(self) -> None:
        self.text = (Path(os.environ["BATON_TEST_FOLDER"]) / "ready").read_text()

    def run(self) -> str:
        return self.text


@job("report")
def report(context: JobContext) -> None:
    """Report once at once, then often; wait for `go`; end in the middle of a half second."""
    folder = Path(context.param)
    context.progress(0.1, "begun")
    for n in range(1, 41):
        context.progress(n / 100, f"row {n}")
    (folder / "reported").touch()
    wait_for(folder / "go")
    context.progress(0.75, "nearly there")


@job("report-from-a-coroutine")
async def report_from_a_coroutine(context: JobContext) -> None:
    folder = Path(context.param)
    await asyncio.to_thread(lambda: get_context().progress(0.3, "from a thread"))
    while not (folder / "go").exists():  # noqa: ASYNC110 - a file says when
        await asyncio.sleep(0.01)


@job("who-am-i")
async def who_am_i(context: JobContext) -> list[int]:
    """Ask from everywhere, while others do the same; the parameter is how many must be there."""
    global here
    here += 1
    while here < int(context.param):  # noqa: ASYNC110 - all runs share one loop, and nothing else
        await asyncio.sleep(0.005)
    loop = asyncio.get_running_loop()
    asked = [
        get_context().log_id,
        await asyncio.create_task(in_a_task()),
        await asyncio.to_thread(lambda: get_context().log_id),
        await loop.run_in_executor(POOL, lambda: get_context().log_id),
    ]
    thread = threading.Thread(target=lambda: asked.append(get_context().log_id))
    thread.start()
    await asyncio.to_thread(thread.join)
    return asked


here = 0


async def in_a_task() -> int:
    return get_context().log_id


@job("leave-a-thread")
def leave_a_thread(context: JobContext) -> None:
    """Its thread asks again when the run is long over; `answer` has what it was told."""
    folder = Path(context.param)

    def ask_late() -> None:
        wait_for(folder / "go")
        context.log("from beyond")
        try:
            answer = str(get_context().log_id)
        except RuntimeError as problem:
            answer = str(problem)
        (folder / "answer.new").write_text(answer)
        (folder / "answer.new").rename(folder / "answer")

    threading.Thread(target=ask_late, daemon=True).start()


@job("wait-for-end")
def wait_for_end(context: JobContext) -> None:
    wait_for(Path(context.param) / "end")


@job("answer")
def answer(context: JobContext) -> object:
    return {"large": "x" * 70_000, "odd": object(), "nan": float("nan")}[context.param]
