"""What the views of one application share: its clients, its options, and who counts what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app
from redis import Redis
from sqlalchemy import Engine

from baton.archive import Archive
from baton.clock import Clock
from baton.in_time import InTime

from .breaker import Breaker
from .options import Options
from .queries.report_memory import Memory
from .streams import Streams
from .throttle import Throttle

_EXTENSION = "baton"


@dataclass(frozen=True, slots=True)
class Resources:
    """Built once per application; all of it may be used by several threads."""

    options: Options
    engine: Engine
    redis: Redis
    blocking_redis: Redis
    clock: Clock
    breaker: Breaker
    streams: Streams
    throttle: Throttle
    in_time: InTime
    archive: Archive | None = None
    """Where run logs are that outlived their executor's disk; None: nowhere."""
    reports: Memory = field(default_factory=Memory)

    def install(self, app: Flask) -> None:
        """Let the views of `app` find these."""
        app.extensions[_EXTENSION] = self

    @property
    def access_token(self) -> str:
        """What messages of this installation are signed with."""
        return self.options.access_token

    def now_ms(self) -> int:
        """The wall clock."""
        return self.clock.now_ms()


def resources() -> Resources:
    """The resources of the application that answers this request."""
    return cast(Resources, current_app.extensions[_EXTENSION])
