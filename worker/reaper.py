"""No process of a run stays alive: finds and kills everything a child process started.

A child is the leader of a session and a process group of its own, and carries a marker in its
environment that everything it starts inherits. So its processes are found by group, by session and by
the marker. A child is a sub-reaper too: whoever among its descendants daemonises becomes its child again,
and is found by descent whatever it did to its session and environment. The executor is the next
sub-reaper: what a child leaves that died by itself becomes the executor's, which kills and collects it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

MARKER = "BATON_RUN_MARKER"
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")
_MOST_LOOKS = 200
_LOOK_AGAIN_S = 0.002


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

    The child is stopped first and killed last: it inherits its orphans, so while it is there nobody of its
    family can get away, whatever they did to their session and environment. Repeated until a look finds
    nobody alive: a process may fork while we look.
    """
    _signal(leader, signal.SIGSTOP)
    killed: set[int] = set()
    for _look in range(_MOST_LOOKS):
        alive = (_processes_of(leader, marker) | descendants_of(leader)) - {leader}
        if not alive:
            break
        _kill_each(alive - killed)
        killed |= alive
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    _signal(leader, signal.SIGKILL)
    return len(killed) + 1


def kill_marked(marker: str) -> int:
    """SIGKILL to everything that carries exactly this marker; answers how many processes that were."""
    killed: set[int] = set()
    for _look in range(_MOST_LOOKS):
        alive = _processes_of(None, marker)
        if not alive:
            break
        _kill_each(alive - killed)
        killed |= alive
    return len(killed)


def collect_orphans(ours: set[int]) -> None:
    """Kill and reap the processes that were handed to us, but not the children in `ours`.

    A living child keeps its own orphans, so what reaches us belonged to one that is gone.
    """
    for _look in range(_MOST_LOOKS):
        handed = _children_of(os.getpid()) - ours
        for pid in handed:
            _signal(pid, signal.SIGKILL)
        # a killed process hands its own children on before it can be reaped
        gone = [pid for pid in handed if _is_reaped(pid)]
        if len(gone) == len(handed):
            return
        time.sleep(_LOOK_AGAIN_S)


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _kill_each(pids: set[int]) -> None:
    for pid in pids:
        _signal(pid, signal.SIGKILL)
    if not pids:  # all were killed before: a large process takes a moment to die
        time.sleep(_LOOK_AGAIN_S)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def descendants_of(leader: int) -> set[int]:
    """Everything below a process that is not a zombie."""
    found: set[int] = set()
    waiting = [leader]
    while waiting:
        with contextlib.suppress(OSError):
            children = _children_of(waiting.pop()) - found
            found |= children
            waiting += children
    return {pid for pid in found if not _is_zombie(pid)}


def _is_zombie(pid: int) -> bool:
    try:
        return _stat(_PROC / str(pid))[0] == "Z"
    except (OSError, IndexError):
        return True


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


Identity = tuple[int, str]
"""A process id, and when that process began: ids are given again."""


def family_of(leader: int, *, but: int) -> set[Identity]:
    """Everything below a process now, one of it left out."""
    return {(pid, began) for pid in descendants_of(leader) - {but} if (began := _began(pid))}


def is_alive(one: Identity) -> bool:
    """Whether that very process lives."""
    return _began(one[0]) == one[1] and not _is_zombie(one[0])


def left_of(family: set[Identity], executor_id: str, *, but: int) -> set[int]:
    """What lives of a family whose head is gone: its members, their sessions and groups, and the marked."""
    wanted = f"{MARKER}={executor_id}.".encode()
    leaders = {pid for pid, _ in family}
    found = {one[0] for one in family if is_alive(one)}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != but:
            with contextlib.suppress(OSError, IndexError):
                state, group, session = _stat(entry)
                is_marked = wanted in (entry / "environ").read_bytes()
                if state != "Z" and (is_marked or group in leaders or session in leaders):
                    found.add(int(entry.name))
    return found - {but}


def stat_of(pid: int) -> list[str]:
    """The fields of `/proc/<pid>/stat` from its state on; empty if it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(") ")[2].split()
    except OSError:
        return []


def zombies_of(leader: int) -> int:
    """How many children of a process have ended, and nobody waited for them."""
    try:
        return sum(_is_zombie(pid) for pid in _children_of(leader))
    except OSError:
        return 0


def _began(pid: int) -> str:
    fields = stat_of(pid)
    return fields[19] if len(fields) > 19 else ""
