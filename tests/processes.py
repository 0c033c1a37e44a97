"""Real processes of the project, for tests: started, killed and always cleaned up by process id.

Each process gets a session of its own; cleaning up kills that session's process group and every
process that carries the run's marker in its environment, so that grandchildren which left the
group are found too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from baton.leash import leashed

from .waiting import until

ROOT = Path(__file__).parent.parent
MARKER = "BATON_TEST_PROCESS"


class Process:
    """One running process of the project, its output in a file."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, marker: str) -> None:
        self.name = name
        self.log = log
        self._popen = popen
        self._marker = marker

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        """Everything it said so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def wait_for(self, text: str, within_s: float = 20.0) -> None:
        """Wait until it says `text`; fails at once, with its output, when it ends before."""

        def said() -> bool:
            return text in self.output or not self.is_running

        until(said, within_s, f"{text!r} from {self.name}; it said:\n{self.output}")
        assert text in self.output, f"{self.name} ended without saying {text!r}:\n{self.output}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this one process."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL to this one process, as a crash; what it started is left to itself."""
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> None:
        self._popen.terminate()

    def wait(self, within_s: float = 20.0) -> int:
        """Its exit code; fails with its output when it does not end."""
        try:
            return self._popen.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {within_s} s:\n{self.output}") from None

    def clean_up(self) -> None:
        """End the process and everything it started, by force."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        for pid in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def descendants(self) -> list[int]:
        """Living processes that were started, directly or not, by this one."""
        return [pid for pid in carriers(self._marker) if pid != self.pid]


class Processes:
    """Starts processes with one environment; cleans all of them up at the end."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = dict(environ)
        self.started: list[Process] = []

    def start(
        self, name: str, command: Sequence[str] = (), *, cwd: Path | None = None, **environ: str
    ) -> Process:
        """Start `python -m <name>` (or `command`) with the shared environment and `environ` on top."""
        log = self.folder / f"{len(self.started):02d}-{name}.log"
        marker = f"{os.getpid()}-{secrets.token_hex(8)}"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                leashed(list(command) or [sys.executable, "-m", name], end_signal=signal.SIGKILL),
                cwd=cwd or ROOT,
                env={**self.environ, **environ, MARKER: marker},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, popen, log, marker)
        self.started.append(process)
        return process

    def scheduler(self, **environ: str) -> Process:
        return self.start("scheduler", **environ)

    def worker(self, **environ: str) -> Process:
        return self.start("worker", **environ)

    def callbacks(self, **environ: str) -> Process:
        return self.start("callbacks", **environ)

    def background(self, **environ: str) -> Process:
        return self.start("background", **environ)

    def web(self, **environ: str) -> Process:
        return self.start("web", [sys.executable, "-m", "gunicorn", "app:app"], **environ)

    def clean_up(self) -> None:
        """End everything, newest first."""
        for process in reversed(self.started):
            process.clean_up()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def carriers(marker: str) -> list[int]:
    """Processes whose environment carries `marker`; Linux only, elsewhere none are found."""
    needle = f"{MARKER}={marker}".encode()
    return [pid for pid in _pids() if needle in _environ(pid) and is_alive(pid)]


def same_run(pid: int) -> list[int]:
    """The other living processes with the run marker of this one; Linux only."""
    markers = [entry for entry in _environ(pid) if entry.startswith(b"BATON_RUN_MARKER=")]
    return [
        each
        for each in _pids()
        if each != pid and markers and markers[0] in _environ(each) and is_alive(each)
    ]


def _pids() -> list[int]:
    proc = Path("/proc")
    return [int(each.name) for each in proc.iterdir() if each.name.isdigit()] if proc.is_dir() else []


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return "?"
