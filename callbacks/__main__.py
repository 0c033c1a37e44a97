"""`python -m callbacks`."""

from __future__ import annotations

import os
import sys

import config

from . import main


def run() -> int:
    """Read the settings and apply results until a signal stops it."""
    settings = config.start_process("callbacks", os.environ)
    main.run(
        redis_url=settings.redis_url,
        database_url=settings.database_url,
        access_token=settings.access_token,
        tracing=config.tracing("callbacks", settings, os.environ),
        late_after_s=settings.late_after_s,
        beat_interval_s=settings.beat_interval_s,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run())
