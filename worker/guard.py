"""Ends what is left when an executor is killed with SIGKILL and cannot tidy up itself.

A process of its own, started by the executor. It holds one end of a pipe; when the other end closes, the
executor is gone. Its children die at once (PR_SET_PDEATHSIG). What they started is found by the marker it
inherited, by session and group, and by descent as it was seen a second ago at most: so even what left its
session and cleared its environment is found, unless it did both within the last second.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from . import reaper

_LOOK_S = 1.0
_MOST_LOOKS = 100
_NOBODY_TWICE_S = 0.05
_DISMISSED = b"d"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of this process."""

    pid: int
    pipe: int
    """Our end; it closes when we are gone."""

    def dismiss(self) -> None:
        """Everything is in order: it may leave, and does before we do."""
        with contextlib.suppress(OSError):
            os.write(self.pipe, _DISMISSED)
            os.waitpid(self.pid, 0)


def start(executor_id: str) -> Guard:
    """Start a guard for this process."""
    ours_ends, ours = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.guard", str(ours_ends), str(os.getpid()), executor_id],
        pass_fds=[ours_ends],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(ours_ends)
    # nobody waits for it: it ends after this process does
    process.returncode = 0
    return Guard(process.pid, ours)


def watch(pipe: int, executor: int, executor_id: str) -> None:
    """Look at the family of the executor until it is gone, then end what is left of it."""
    family: set[reaper.Identity] = set()
    while not select.select([pipe], [], [], _LOOK_S)[0]:
        # whoever was in the family and lives still belongs to it, wherever it went
        family = {each for each in family if reaper.is_alive(each)}
        family |= reaper.family_of(executor, but=os.getpid())
    if os.read(pipe, 1) == _DISMISSED:
        return
    seen_nobody = 0
    for _look in range(_MOST_LOOKS):
        left = reaper.left_of(family, executor_id, but=os.getpid())
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        seen_nobody = 0 if left else seen_nobody + 1
        if seen_nobody == 2:
            return
        time.sleep(_NOBODY_TWICE_S)


def main() -> int:
    """`python -m worker.guard <pipe> <executor pid> <executor id>`."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a platform that stops all processes stops the executor too
    watch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    return 0


if __name__ == "__main__":
    sys.exit(main())
