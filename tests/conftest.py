"""Servers once per session; a server that is missing skips here and fails where CI says so.

Redis: `redis_url` and `redis_client` run a test on every server there is (ids `embedded`,
`installed`); `one_redis` and `one_redis_url` on the first of them. SQL: `database_url` and
`engine` run a test on SQLite and PostgreSQL, `sqlite_engine` on SQLite only. Each test finds its
server empty and its database freshly migrated. `own_redis` starts servers that a test may kill.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from baton import failpoints
from baton.broker.client import connect
from baton.broker.embedded import EmbeddedRedis, installed_program, wheel_program

from . import postgres

REQUIRE_SERVERS = "BATON_TEST_REQUIRE_SERVERS"
REDIS_PROGRAMS: dict[str, Callable[[], str | None]] = {
    "embedded": wheel_program,
    "installed": installed_program,
}


def pytest_report_header() -> list[str]:
    """Say which servers this session uses."""
    found = {kind: find() for kind, find in REDIS_PROGRAMS.items()}
    return [
        "redis: "
        + ", ".join(f"{kind} {_redis_version(path) if path else 'missing'}" for kind, path in found.items()),
        f"sql: sqlite, postgresql {postgres.version() or 'missing'}",
    ]


def missing(what: str) -> None:
    """Skip on a laptop; in CI, where every server was installed, its absence is a failure."""
    if os.environ.get(REQUIRE_SERVERS) == "1":
        pytest.fail(f"{what} is not there, and {REQUIRE_SERVERS}=1", pytrace=False)
    pytest.skip(f"{what} is not there")


@cache
def _redis_version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return said.partition("v=")[2].split()[0] if "v=" in said else said.strip()


@pytest.fixture(autouse=True)
def _failpoints_disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


# --- Redis ------------------------------------------------------------------------------------


class RedisServers:
    """The shared servers of this session, started when first asked for."""

    def __init__(self) -> None:
        self._running: dict[str, EmbeddedRedis] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="baton-redis-"))

    def url(self, kind: str) -> str:
        if kind not in self._running:
            program = REDIS_PROGRAMS[kind]()
            if program is None:
                missing(f"the {kind} redis-server")
            self._running[kind] = EmbeddedRedis.start(self._folder / kind, program=program, appendonly=False)
        return self._running[kind].url

    def first_url(self) -> str:
        """The embedded server where there is one, else the installed one."""
        kinds = [kind for kind, find in REDIS_PROGRAMS.items() if find()]
        if not kinds:
            missing("any redis-server")
        return self.url(kinds[0])

    def stop(self) -> None:
        for server in self._running.values():
            server.kill()  # nothing in it is worth an orderly end
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[RedisServers]:
    servers = RedisServers()
    yield servers
    servers.stop()


@pytest.fixture(params=list(REDIS_PROGRAMS))
def redis_url(request: pytest.FixtureRequest, redis_servers: RedisServers) -> str:
    """An empty Redis; the test runs once for each kind of server."""
    return _emptied(redis_servers.url(request.param))


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """A client of `redis_url`."""
    yield from _client(redis_url)


@pytest.fixture
def one_redis_url(redis_servers: RedisServers) -> str:
    """An empty Redis of one kind: for what does not depend on the server's version."""
    return _emptied(redis_servers.first_url())


@pytest.fixture
def one_redis(one_redis_url: str) -> Iterator[Redis]:
    """A client of `one_redis_url`."""
    yield from _client(one_redis_url)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[..., EmbeddedRedis]]:
    """Starts servers that belong to the test: `own_redis(folder="redis", appendonly=True)`."""
    started: list[EmbeddedRedis] = []

    def start(folder: str = "redis", *, program: str | None = None, appendonly: bool = True) -> EmbeddedRedis:
        if not program and not any(find() for find in REDIS_PROGRAMS.values()):
            missing("any redis-server")
        server = EmbeddedRedis.start(tmp_path / folder, program=program, appendonly=appendonly)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()
        server.stop()


def _emptied(url: str) -> str:
    with connect(url) as client:
        client.flushall()
    return url


def _client(url: str) -> Iterator[Redis]:
    client = connect(url)
    yield client
    client.close()


# --- SQL --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    from baton.store.engine import upgrade

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A private PostgreSQL cluster with a migrated database called `migrated`."""
    from baton.store.engine import upgrade

    if postgres.version() is None:
        missing("PostgreSQL")
    cluster = postgres.Cluster.start()
    cluster.execute("create database migrated")
    upgrade(cluster.url("migrated"))
    yield cluster
    cluster.stop()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A freshly migrated SQLite database."""
    path = tmp_path / "baton.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    """A freshly migrated PostgreSQL database."""
    name = postgres_cluster.create("migrated")
    yield postgres_cluster.url(name)
    postgres_cluster.drop(name)


@pytest.fixture
def own_postgres() -> Iterator[postgres.Cluster]:
    """A PostgreSQL that belongs to the test, which may kill it; its database `own` is migrated."""
    from baton.store.engine import upgrade

    if postgres.version() is None:
        missing("PostgreSQL")
    cluster = postgres.Cluster.start()
    cluster.execute("create database own")
    # a commit that was answered must outlive the process, as it does in a deployment
    cluster.execute("alter database own set synchronous_commit = on")
    upgrade(cluster.url("own"))
    yield cluster
    cluster.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A freshly migrated database; the test runs once for each kind."""
    kind = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`."""
    yield from _engine(database_url)


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """An engine on a SQLite database: for what does not depend on the database."""
    yield from _engine(sqlite_url)


def _engine(url: str) -> Iterator[Engine]:
    from baton.store.engine import make_engine

    engine = make_engine(url)
    yield engine
    engine.dispose()
