"""Handlers that say something in every way there is."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from baton import JobContext, job

_FLOOD = 100 * 1024 * 1024


@job("all-ways")
def all_ways() -> None:
    print("by print")
    print("by print to stderr", file=sys.stderr)
    logging.getLogger("app").warning("by logging %d", 7)
    warnings.warn("by warnings", UserWarning, stacklevel=1)
    subprocess.run([sys.executable, "-c", "print('by a subprocess')"], check=True)
    subprocess.run(["sh", "-c", "printf 'without an end'"], check=True)
    os.write(1, b"by descriptor\n")
    ctypes.CDLL(None).write(2, b"by a library\n", 13)
    sys.stdout.buffer.write(b"by bytes \xff\n")
    thread = threading.Thread(target=lambda: print("by a thread"))
    thread.start()
    thread.join()
    pid = os.fork()
    if pid == 0:
        print("by a forked process")
        os._exit(0)
    os.waitpid(pid, 0)
    sys.stdout.write("by write, without an end")


@job("flood-by-print")
def flood_by_print() -> None:
    line = "x" * 1023
    for _ in range(_FLOOD // 1024):
        print(line)


@job("flood-by-subprocess")
def flood_by_subprocess() -> None:
    subprocess.run(["head", "-c", str(_FLOOD), "/dev/zero"], check=True)
    subprocess.run(["sh", "-c", "yes | head -c 1000000 >&2"], check=True)


@job("leave-behind")
def leave_behind(context: JobContext) -> None:
    """A process that has left everything, and writes when it is told to."""
    script = (
        "import os, sys, time\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
        "print('from the one left behind', flush=True)\n"
        "open(sys.argv[1] + '.done', 'w').close()\n"
    )
    grandchild = (
        "import subprocess, sys;"
        "subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], start_new_session=True)"
    )
    subprocess.run([sys.executable, "-c", grandchild, script, context.param], check=True)


@job("wait-for")
def wait_for(context: JobContext) -> None:
    """Run until a file is there."""
    print("waiting")
    while not os.path.exists(context.param):
        time.sleep(0.01)
    print("waited")


@job("segfault")
def segfault() -> None:
    print("before the crash")
    os.write(1, b"the last line of a library\n")
    ctypes.string_at(0)


@job("talk-and-ignore")
def talk_and_ignore(context: JobContext) -> None:
    """Ignore SIGTERM, with a subprocess that says something when it comes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('the signal was heard', flush=True))\n"
        "open(sys.argv[1], 'w').close()\n"
        "while True: time.sleep(0.05)\n"
    )
    subprocess.run([sys.executable, "-c", script, context.param], check=True)


@job("delete-own-folder")
def delete_own_folder(context: JobContext) -> None:
    shutil.rmtree(Path(context.param))
    print("into nothing")


@job("name")
def name(context: JobContext) -> None:
    print("I am", context.param)


_both_are_here = asyncio.Barrier(2)


@job("together")
async def together(context: JobContext) -> None:
    """Two of these speak at the same time, in halves of lines."""
    print(context.param, "first half", end=", ")
    await _both_are_here.wait()
    print("second half of", context.param)
    await asyncio.to_thread(print, "by a thread of", context.param)
    logging.getLogger("app").info("logged by %s", context.param)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('nobody knows whose')")
    await process.wait()
