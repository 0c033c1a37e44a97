"""The installation a command speaks to: its settings, its database, its Redis."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine

import config
from baton import telemetry
from baton.broker.client import connect, connect_blocking
from baton.broker.nudge import nudge
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import access
from baton.store.engine import make_engine

from . import state


@dataclass
class Installation:
    """Connections are made when they are used."""

    settings: config.Settings

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return make_engine(self.settings.database_url)

    @cached_property
    def redis(self) -> Redis:
        """For calls that answer at once."""
        return connect(self.settings.redis_url)

    @cached_property
    def blocking_redis(self) -> Redis:
        """For calls that wait."""
        return connect_blocking(self.settings.redis_url)

    def wake_schedulers(self) -> None:
        """Call it after the commit. Without Redis the schedulers find the rows by themselves."""
        try:
            nudge(self.redis)
        except RedisError as problem:
            telemetry.warning("page.without_redis", error=repr(problem))

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
    here = Installation(config.load(state.environment(os.environ)))
    try:
        yield here
    except RedisError as problem:
        raise InputError(f"Redis does not answer ({problem}): check REDIS_URL") from None
    finally:
        here.close()


def person() -> str:
    """Who the audit says did it."""
    return f"{getpass.getuser()} (command line)"
