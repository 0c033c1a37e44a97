"""An RQ worker on our own queue.

It runs one piece of work at a time in its own process: a stop lets it come to its end, a platform that
signals every process at once finds nothing it could cut in two, and it needs two connections.
"""

from __future__ import annotations

from collections.abc import Sequence

from rq import SimpleWorker
from rq.serializers import JSONSerializer

from baton import process_log, telemetry
from baton.broker import chores
from baton.broker.client import connect
from baton.broker.presence import new_executor_id
from baton.broker.tally import Tally
from baton.loop import Loop
from baton.schedule import zone
from baton.store.engine import make_engine
from baton.store.retention import Keep
from baton.vocabulary import Role

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
    beat_interval_s: float,
    grace_s: float,
) -> None:
    """Do what is handed over until SIGTERM or SIGINT."""
    engine = make_engine(database_url)
    redis = connect(redis_url, socket_timeout_s=None)
    queue = chores.queue(redis)
    here.install(
        Here(
            engine,
            queue,
            public_url,
            tuple(webhook_hosts),
            keep,
            audit_days,
            zone.find(report_zone),
            grace_s,
        )
    )
    # clients that wait for work have no time-out; a tally shall notice that nobody answers
    own_redis = connect(redis_url)
    name = new_executor_id()
    process_log.known_as(name)
    tally = Tally(own_redis, Role.BACKGROUND, name, interval_s=beat_interval_s)
    tally_loop = Loop("tally", tally.step)
    tally_loop.start()
    telemetry.event("process.started")
    worker = SimpleWorker([queue], connection=redis, serializer=JSONSerializer)
    worker.work(with_scheduler=False, logging_level="WARNING")
    telemetry.event("process.stopped")
    tally_loop.stop()
    tally.leave()
    own_redis.close()
    redis.close()
    engine.dispose()
