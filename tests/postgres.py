"""A private PostgreSQL cluster for one test session: no fsync, a unix socket, gone at the end."""

from __future__ import annotations

import ctypes
import glob
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg

from .waiting import until

_DEBIAN_FOLDERS = "/usr/lib/postgresql/*/bin"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if os.uname().sysname == "Linux" else None
_USERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; these may own the cluster then."""


def program(name: str) -> str | None:
    """A PostgreSQL program on PATH, or the newest of Debian's versions, which are not on PATH."""
    if shutil.which("postgres"):
        return shutil.which(name)
    newest_first = sorted(glob.glob(_DEBIAN_FOLDERS), key=_version_in, reverse=True)
    return next(filter(None, (shutil.which(name, path=folder) for folder in newest_first)), None)


def _version_in(folder: str) -> float:
    return float(Path(folder).parent.name)


def version() -> str | None:
    """As `15.6`, or None where PostgreSQL is not installed."""
    postgres = program("postgres")
    if not postgres or not program("initdb"):
        return None
    return subprocess.run([postgres, "--version"], capture_output=True, text=True).stdout.split()[2]


class Cluster:
    """A running cluster; databases in it are made from a template in a few milliseconds."""

    def __init__(self, folder: Path, server: subprocess.Popen[bytes], waits_for_disk: bool) -> None:
        self.folder = folder
        self._server = server
        self._waits_for_disk = waits_for_disk

    @classmethod
    def start(cls, *, waits_for_disk: bool = False) -> Self:
        """Make and start one."""
        folder = Path(tempfile.mkdtemp(prefix="baton-pg-"))
        identity = _unprivileged()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        data = folder / "data"
        initdb = [program("initdb"), "-D", str(data), "-U", "baton", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*initdb, "--locale=C", "--no-sync"], cwd=folder, capture_output=True, text=True, **identity
        )
        assert made.returncode == 0, made.stderr
        cluster = cls(folder, _server(folder, waits_for_disk), waits_for_disk)
        until(lambda: cluster.execute("select 1"), 30, "PostgreSQL to answer")
        return cluster

    def url(self, database: str) -> str:
        """In the form a deployment would write into DATABASE_URL."""
        return f"postgresql://baton@/{database}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        """A new database; answers its name."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f'create database "{name}" template "{template}"')
        return name

    def drop(self, database: str) -> None:
        self.execute(f'drop database "{database}" with (force)')

    def execute(self, statement: str) -> bool:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)
        return True

    def kill(self) -> None:
        """End it as a crash does: nobody is told, nothing is written."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait(20)

    def start_again(self) -> None:
        """Start it on what the crash left; it recovers before it answers."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._server = _server(self.folder, self._waits_for_disk)
        until(lambda: self.execute("select 1"), 60, "PostgreSQL to answer again")

    def stop(self) -> None:
        self._server.send_signal(signal.SIGQUIT)  # at once, without writing anything
        self._server.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def _server(folder: Path, waits_for_disk: bool) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [program("postgres"), "-D", str(folder / "data"), *_options(folder, waits_for_disk)],
            preexec_fn=_end_with_us,  # noqa: PLW1509 - one call into libc, no threads yet
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_unprivileged(),
        )


def _end_with_us() -> None:
    """As `baton.leash`, but after the change of user, who may not even be able to start our Python."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def _options(folder: Path, waits_for_disk: bool) -> list[str]:
    careless = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "max_connections": "200",
        **({} if waits_for_disk else careless),
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _unprivileged() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError(f"PostgreSQL does not run as root, and none of the users {_USERS} exists")
