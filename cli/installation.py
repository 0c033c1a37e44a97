"""The installation a command speaks to: its settings, its database, its Redis."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError, SQLAlchemyError

import config
from baton.archive import Archive
from baton.broker.client import connect, connect_blocking
from baton.broker.nudge import nudge
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import access
from baton.store.engine import make_engine, pending_migrations

from . import state
from .remarks import remark

_ONLY_WHEN_USED = ["redis_url", "access_token"]
_NO_REDIS = "no Redis is named: start `baton run`, or set REDIS_URL"


@dataclass
class Installation:
    """Connections are made when they are used: what needs no Redis works without one."""

    settings: config.Settings

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        engine = make_engine(self.settings.database_url)
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
            raise InputError(
                f"there is no database {engine.url.database}: `baton run` or `baton migrate` makes it; "
                "DATABASE_URL and BATON_STATE_DIR say where it is"
            )
        return engine

    @cached_property
    def redis(self) -> Redis:
        """For calls that answer at once."""
        return connect(self._redis_url)

    @cached_property
    def blocking_redis(self) -> Redis:
        """For calls that wait."""
        return connect_blocking(self._redis_url)

    @property
    def _redis_url(self) -> str:
        if not self.settings.redis_url:
            raise InputError(_NO_REDIS)
        return self.settings.redis_url

    @property
    def access_token(self) -> str:
        """What messages of this installation are signed with."""
        if not self.settings.access_token:
            raise InputError("BATON_ACCESS_TOKEN is not set: it is that of the executors")
        return self.settings.access_token

    @cached_property
    def archive(self) -> Archive | None:
        """Where logs are that outlived their executor; None: nowhere."""
        return Archive.at(self.settings.log_archive_url) if self.settings.log_archive_url else None

    def wake_schedulers(self) -> None:
        """Call it after the commit. Without Redis the schedulers find the rows by themselves."""
        if not self.settings.redis_url:
            return
        try:
            nudge(self.redis)
        except RedisError:
            remark("Redis does not answer; schedulers find this by themselves when it does")

    def record(self, connection: Connection, action: str, subject: str, **facts: object) -> None:
        """Write down who did what, in the transaction that does it."""
        told = json.dumps(facts, ensure_ascii=False)
        access.record(connection, SYSTEM_CLOCK.now_ms(), person(), action, subject, told)

    def close(self) -> None:
        """Let go of what was used."""
        for name in ("redis", "blocking_redis"):
            if name in self.__dict__:
                self.__dict__[name].close()
        if "engine" in self.__dict__:
            self.engine.dispose()


@contextmanager
def opened() -> Iterator[Installation]:
    """The installation that the environment and the state folder name."""
    here = Installation(config.load(state.environment(os.environ), unneeded=_ONLY_WHEN_USED))
    try:
        yield here
    except RedisError as problem:
        raise InputError(f"Redis does not answer ({problem}): check REDIS_URL, and that it runs") from None
    except (OperationalError, ProgrammingError, InterfaceError) as problem:
        raise InputError(_why_not(here.engine, problem)) from None
    finally:
        here.close()


def person() -> str:
    """Who the audit says did it."""
    return f"{getpass.getuser()} (command line)"


def _why_not(engine: Engine, problem: SQLAlchemyError) -> str:
    with suppress(SQLAlchemyError):
        if pending := pending_migrations(engine):
            return f"the database lacks {', '.join(pending)}: run `baton migrate`"
    reason = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
    return f"the database does not do that ({reason}): check DATABASE_URL; `baton doctor` looks at it"
