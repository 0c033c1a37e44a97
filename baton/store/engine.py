"""Connections and transactions, on SQLite and on PostgreSQL.

SQLite has one writer at a time. Its own busy handler sleeps between tries, which costs a
contended writer milliseconds and is not fair; so writers queue in the kernel instead, on an
flock beside the database file, and find the database free when their turn comes. Readers never
wait: they see the last commit (WAL). PostgreSQL decides row by row; statements here lock rows in
the order of their ids, so that two writers wait for each other in one direction only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from ..errors import InputError, NewerSchema

BUSY_WAIT_MS = 10_000
"""How long SQLite itself waits for a writer that does not queue: a shell, a backup."""
CHECKPOINT_PAGES = 4_000
"""16 MiB of WAL between two checkpoints: each costs a sync of the whole database file."""
LOCK_WAIT_S = 10
"""PostgreSQL: a statement that waits longer for a row fails and is tried again by its loop."""
IDLE_IN_TRANSACTION_S = 30
"""PostgreSQL: a writer that was frozen in mid-transaction loses its locks after this time."""
CONNECT_WAIT_S = 5

_WRITES = "baton_writes"
_MIGRATIONS = Path(__file__).parent / "migrations"


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///…`, `postgresql://…` or Heroku's `postgres://…`; raises `InputError`."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgresql_engine(parsed)


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: committed at the end of the block, rolled back by an exception.

    SQLite takes its write lock at the beginning, so that what the block reads stays true. Never
    open a second one inside the block: it would wait for the first for ever.
    """
    # connected first: a new connection may itself need a turn, to make the file a WAL one
    with engine.connect() as connection, _turn(engine):
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads: every statement in the block sees the same moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            with _query_only(connection):
                yield connection
        else:
            # psycopg says both in the BEGIN itself: no further round trip
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`. Several may try at once: one migrates, the others wait."""
    _migrate(url, "upgrade", revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to `revision`; `base` removes every table and all data."""
    _migrate(url, "downgrade", revision)


def pending_migrations(engine: Engine) -> list[str]:
    """The revisions this database lacks, oldest first; empty when it is up to date.

    Raises `NewerSchema` where it has revisions that this version does not know.
    """
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.script.revision import ResolutionError

    scripts = ScriptDirectory(str(_MIGRATIONS))
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    try:
        missing = [each.revision for each in scripts.iterate_revisions("heads", current or "base")]
    except ResolutionError:
        raise NewerSchema(
            f"the database is at {', '.join(current)}, which this version does not know: upgrade this process"
        ) from None
    return missing[::-1]


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(
            "the database URL cannot be read: write postgresql://user:password@host/name or sqlite:///path"
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed
    raise InputError(
        f"the database URL names {backend!r}: Baton keeps its rows in SQLite (sqlite:///path) "
        "or PostgreSQL (postgresql://user:password@host/name)"
    )


# SQLite


def _sqlite_engine(url: URL) -> Engine:
    path = _path_of(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_WAIT_MS / 1000}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver opens no transactions; `on_begin` does
        if connection.execute("pragma journal_mode").fetchone() != ("wal",):
            # only the first process ever gets here; two at once would find the file locked
            with _exclusive(path):
                connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine


def _path_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InputError(
            f"the database URL {url.render_as_string()!r} names no file: Baton's processes share the "
            "database, so write sqlite:///path"
        )
    path = Path(url.database).absolute()
    if not path.parent.is_dir():
        raise InputError(f"the database file {path} cannot be made: there is no folder {path.parent}")
    return path


@contextmanager
def _query_only(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("pragma query_only = on")
    try:
        yield
    finally:
        # the next user of this pooled connection may want to write
        connection.exec_driver_sql("pragma query_only = off")


def _turn(engine: Engine) -> Any:
    """The queue of SQLite's writers; on PostgreSQL nobody queues."""
    return _exclusive(_path_of(engine.url)) if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    # a descriptor of its own for each turn: an flock does not hold off its own descriptor
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# PostgreSQL


def _postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"connect_timeout": CONNECT_WAIT_S, "application_name": "baton"},
        pool_pre_ping=True,  # a restarted server costs no page and no batch an error
        hide_parameters=True,  # errors go to logs, and values may be anybody's secrets
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.execute(f"set lock_timeout = '{LOCK_WAIT_S}s'")
        connection.execute(f"set idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'")
        connection.commit()

    return engine


# migrations


def _migrate(url: str, direction: str, revision: str) -> None:
    # here, because only two commands migrate and Alembic takes a while to import
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = make_engine(url)
    try:
        with write(engine) as connection:
            config.attributes["connection"] = connection
            getattr(command, direction)(config, revision)
    finally:
        engine.dispose()
