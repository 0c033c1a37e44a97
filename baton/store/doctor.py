"""Is this database one that keeps what it is given? A line for each thing about it."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ..checkup import LARGEST_SKEW_MS, Line, bad, good, risk, told_skew, warning
from ..clock import SYSTEM_CLOCK, Clock
from .engine import pending_migrations, read

_LITTLE_ROOM_BYTES = 1024**3
_NEARLY_FULL = 0.9
_OLDEST_POSTGRESQL = 12_00_00
_OLDEST_SQLITE = (3, 35)
"""The first with RETURNING."""


def examine(engine: Engine, *, is_production: bool, clock: Clock = SYSTEM_CLOCK) -> list[Line]:
    """Everything about it; one that does not answer is one bad line."""
    try:
        with read(engine) as connection:
            look = _sqlite if engine.dialect.name == "sqlite" else _postgresql
            lines = look(connection, clock, is_production=is_production)
        return [*lines, _tables(engine)]
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        return [bad("database", f"{engine.dialect.name} does not answer ({reason}): check DATABASE_URL")]


def _tables(engine: Engine) -> Line:
    pending = pending_migrations(engine)
    if pending:
        return bad("database tables", f"it lacks {', '.join(pending)}: run `baton migrate`")
    return good("database tables", "those of this version")


def _sqlite(connection: Connection, _clock: Clock, *, is_production: bool) -> list[Line]:
    version = connection.execute(text("select sqlite_version()")).scalar_one()
    return [
        _sqlite_version(version, is_production=is_production),
        good("database clock", "this machine's"),
        _room(Path(connection.engine.url.database or "").absolute()),
    ]


def _sqlite_version(version: str, *, is_production: bool) -> Line:
    subject = "database version"
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        return bad(subject, f"sqlite {version}; Baton needs {needed} or later: use a newer Python")
    if is_production:
        return warning(subject, f"sqlite {version} serves one machine only: use PostgreSQL for more")
    return good(subject, f"sqlite {version}, for one machine")


def _room(path: Path) -> Line:
    free = shutil.disk_usage(path.parent).free
    told = f"{path.stat().st_size / 1024**2:,.1f} MiB are used, {free / 1024**3:,.1f} GiB are free"
    if free < _LITTLE_ROOM_BYTES:
        return warning("database room", f"{told} in {path.parent}: make room")
    return good("database room", told)


def _postgresql(connection: Connection, clock: Clock, *, is_production: bool) -> list[Line]:
    lines = [_postgresql_version(connection), _postgresql_clock(connection, clock, is_production)]
    if connection.execute(text("select pg_is_in_recovery()")).scalar_one():
        lines.append(
            bad("database role", "it is a standby and refuses writes: let DATABASE_URL name the primary")
        )
    durability = _setting(connection, "fsync"), _setting(connection, "synchronous_commit")
    return [*lines, _durability(*durability, is_production=is_production), _connections(connection)]


def _postgresql_version(connection: Connection) -> Line:
    version, number = _setting(connection, "server_version"), int(_setting(connection, "server_version_num"))
    if number < _OLDEST_POSTGRESQL:
        return bad("database version", f"postgresql {version}; Baton needs 12 or later: upgrade the server")
    return good("database version", f"postgresql {version.split()[0]}")


def _postgresql_clock(connection: Connection, clock: Clock, is_production: bool) -> Line:
    asked_ms = clock.now_ms()
    # not now(), which is the moment at which the transaction began
    shown = text("select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)")
    shown_ms = connection.execute(shown).scalar_one()
    within_ms = (clock.now_ms() - asked_ms) // 2
    skew_ms = shown_ms - asked_ms - within_ms
    told = f"its clock is {told_skew(skew_ms)} this machine's"
    if abs(skew_ms) - within_ms < LARGEST_SKEW_MS:
        return good("database clock", told)
    return risk(
        "database clock", f"{told}: let both follow the same time server", is_production=is_production
    )


def _durability(fsync: str, synchronous_commit: str, *, is_production: bool) -> Line:
    subject = "database durability"
    if fsync == "off":
        told = "fsync is off, so a crash of its machine may ruin it: set fsync = on"
        return risk(subject, told, is_production=is_production)
    if synchronous_commit == "off":
        told = "a crash forgets what it committed last, results too: set synchronous_commit = on"
        return risk(subject, told, is_production=is_production)
    return good(subject, "what it committed is on its disk")


def _connections(connection: Connection) -> Line:
    used = connection.execute(text("select count(*) from pg_stat_activity")).scalar_one()
    most = int(_setting(connection, "max_connections"))
    told = f"{used} of {most} are used"
    if used > most * _NEARLY_FULL:
        return warning("database connections", f"{told}: raise max_connections, or start fewer processes")
    return good("database connections", told)


def _setting(connection: Connection, name: str) -> str:
    asked = text("select current_setting(:name)")
    return str(connection.execute(asked, {"name": name}).scalar_one())
