"""`python -m scheduler`."""

from __future__ import annotations

import os
import sys

import config

from . import main


def run() -> int:
    """Read the settings and run the scheduler until a signal stops it."""
    settings = config.start_process("scheduler", os.environ)
    main.run(
        redis_url=settings.redis_url,
        database_url=settings.database_url,
        access_token=settings.access_token,
        tracing=config.tracing("scheduler", settings, os.environ),
        misfire_threshold_s=settings.misfire_threshold_s,
        sweep_interval_s=settings.sweep_interval_s,
        executor_dead_after_s=settings.executor_dead_after_s,
        no_executor_after_s=settings.no_executor_after_s,
        late_after_s=settings.late_after_s,
        beat_interval_s=settings.beat_interval_s,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run())
