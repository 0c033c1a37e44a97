"""No process of a run stays alive: finds and kills everything a child process started.

A child is the leader of a session and a process group of its own, and carries a marker in its
environment that everything it starts inherits. So its processes are found by group, by session,
by descent, and by the marker even after they left all three. The executor is a sub-reaper:
orphans become its children instead of init's, and it collects them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

MARKER = "BATON_RUN_MARKER"
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")


def marker_of_run(marker: str, log_id: int) -> str:
    """What the subprocesses of one of several runs carry that share a child."""
    return f"{marker}/{log_id}"


def become_subreaper() -> None:
    """Inherit the orphans of this process's descendants (Linux; elsewhere nothing happens)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def ask_to_end(leader: int) -> None:
    """SIGTERM to the process group of a child."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGTERM)


def kill_all(leader: int, marker: str) -> int:
    """SIGKILL to everything a child started, and to itself; answers how many processes that were.

    Repeated until a look finds nobody: a process may fork while we look.
    """
    killed: set[int] = set()
    for _look in range(20):
        alive = _processes_of(leader, marker) - killed
        if not alive:
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= alive
    return len(killed)


def kill_marked(marker: str) -> int:
    """SIGKILL to everything that carries exactly this marker; answers how many processes that were."""
    killed: set[int] = set()
    for _look in range(20):
        alive = _processes_of(None, marker) - killed
        if not alive:
            break
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= alive
    return len(killed)


def collect_orphans(ours: set[int]) -> None:
    """Reap ended processes that were handed to us, but not the children in `ours`."""
    for pid in _children_of(os.getpid()) - ours:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _processes_of(leader: int | None, marker: str) -> set[int]:
    wanted = f"{MARKER}={marker}".encode()
    own, of_its_runs = wanted + b"\0", wanted + b"/"
    found: set[int] = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, group, session = _stat(entry)
            if state == "Z":
                continue
            environ = (entry / "environ").read_bytes()
            if leader in {int(entry.name), group, session} or own in environ or of_its_runs in environ:
                found.add(int(entry.name))
    return found


def _stat(entry: Path) -> tuple[str, int, int]:
    fields = (entry / "stat").read_text("utf-8", "replace").rpartition(") ")[2].split()
    return fields[0], int(fields[2]), int(fields[3])


def _children_of(parent: int) -> set[int]:
    children: set[int] = set()
    for task in (_PROC / str(parent) / "task").iterdir():
        with contextlib.suppress(OSError):
            children |= {int(pid) for pid in (task / "children").read_text().split()}
    return children
