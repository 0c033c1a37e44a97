"""An RQ worker on our own queue.

It runs one piece of work at a time in its own process: a stop lets it come to its end, a platform that
signals every process at once finds nothing it could cut in two, and it needs two connections.
"""

from __future__ import annotations

from collections.abc import Sequence

from rq import SimpleWorker
from rq.serializers import JSONSerializer

from baton import telemetry
from baton.broker import chores
from baton.broker.client import connect
from baton.store.engine import make_engine

from . import here
from .here import Here


def run(*, redis_url: str, database_url: str, public_url: str, webhook_hosts: Sequence[str]) -> None:
    """Do what is handed over until SIGTERM or SIGINT."""
    engine = make_engine(database_url)
    redis = connect(redis_url, socket_timeout_s=None)
    here.install(Here(engine, public_url, tuple(webhook_hosts)))
    telemetry.event("process.started")
    worker = SimpleWorker([chores.queue(redis)], connection=redis, serializer=JSONSerializer)
    worker.work(with_scheduler=False, logging_level="WARNING")
    telemetry.event("process.stopped")
    redis.close()
    engine.dispose()
