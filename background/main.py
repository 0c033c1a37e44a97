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
from baton.schedule import zone
from baton.store.engine import make_engine
from baton.store.retention import Keep

from . import here
from .here import Here


def run(
    *,
    redis_url: str,
    database_url: str,
    public_url: str,
    webhook_hosts: Sequence[str],
    keep: Keep,
    audit_days: int,
    report_zone: str,
) -> None:
    """Do what is handed over until SIGTERM or SIGINT."""
    engine = make_engine(database_url)
    redis = connect(redis_url, socket_timeout_s=None)
    queue = chores.queue(redis)
    here.install(
        Here(engine, queue, public_url, tuple(webhook_hosts), keep, audit_days, zone.find(report_zone))
    )
    telemetry.event("process.started")
    worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer)
    worker.work(with_scheduler=False, logging_level="WARNING")
    telemetry.event("process.stopped")
    redis.close()
    engine.dispose()
