"""`python -m worker`."""

from __future__ import annotations

import os
import sys

import config
from baton import failpoints, telemetry

from . import main


def run() -> int:
    """Read the settings and run one executor until a signal stops it."""
    settings = config.load(os.environ, unneeded=["database_url"])
    failpoints.arm(settings.failpoints)
    telemetry.set_up("worker", settings.log_level)
    main.run(
        redis_url=settings.redis_url,
        access_token=settings.access_token,
        app_names=settings.groups,
        handlers=[name.strip() for name in settings.handlers.split(",") if name.strip()],
        tags=[name.strip() for name in settings.tags.split(",") if name.strip()],
        concurrency=settings.concurrency,
        async_concurrency=settings.async_concurrency,
        rq_url=settings.redis_url if settings.rq_url == "same" else settings.rq_url,
        rq_serializer=settings.rq_serializer,
        rq_hook=settings.rq_hook,
        log_dir=settings.log_dir,
        log_retention_days=settings.log_retention_days,
        spool_dir=settings.spool_dir,
        spool_limit_bytes=settings.spool_limit_mb * 1024 * 1024,
        kill_grace_s=settings.kill_grace_s,
        drain_grace_s=settings.drain_grace_s,
        beat_interval_s=settings.beat_interval_s,
        executor_dead_after_s=settings.executor_dead_after_s,
        failpoints=settings.failpoints,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run())
