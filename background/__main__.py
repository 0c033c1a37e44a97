"""`python -m background`."""

from __future__ import annotations

import os
import sys

import config
from baton.scanner.weigh import grace_for
from baton.store.retention import Keep

from . import main


def run() -> int:
    """Read the settings and do background work until a signal stops it."""
    settings = config.start_process("background", os.environ)
    main.run(
        redis_url=settings.redis_url,
        database_url=settings.database_url,
        public_url=settings.public_url,
        webhook_hosts=[each.strip() for each in settings.webhook_hosts.split(",") if each.strip()],
        keep=Keep(settings.keep_days, settings.keep_failed_days, settings.keep_runs),
        audit_days=settings.audit_days,
        report_zone=settings.report_zone,
        beat_interval_s=settings.beat_interval_s,
        grace_s=grace_for(
            sweep_interval_s=settings.sweep_interval_s,
            executor_dead_after_s=settings.executor_dead_after_s,
        ),
    )
    return 0


if __name__ == "__main__":
    sys.exit(run())
