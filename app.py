"""The web process: `gunicorn app:app`. Reads the settings and builds the dashboard from them."""

from __future__ import annotations

import os

import config
from baton import __version__
from baton.archive import Archive
from baton.broker.client import connect, connect_blocking
from baton.errors import SettingsError
from baton.store.engine import make_engine
from baton.store.retention import Keep
from dashboard import Options, create_app

ANSWER_WITHIN_S = 2.0
"""A page waits this long for Redis before it is shown without what Redis knows."""

settings = config.start_process("web", os.environ, carries_runs=False)

try:
    archive = Archive.at(settings.log_archive_url) if settings.log_archive_url else None
except SettingsError as problem:
    config.exit_with(problem)

app = create_app(
    Options(
        access_token=settings.access_token,
        secret_key=settings.secret_key,
        secure_cookies=settings.secure_cookies,
        executor_dead_after_s=settings.executor_dead_after_s,
        metrics_token=settings.metrics_token,
        label="" if settings.is_production else settings.env,
        report_zone=settings.report_zone,
        keep=Keep(settings.keep_days, settings.keep_failed_days, settings.keep_runs),
        version=__version__,
    ),
    engine=make_engine(settings.database_url),
    redis=connect(settings.redis_url, socket_timeout_s=ANSWER_WITHIN_S),
    blocking_redis=connect_blocking(settings.redis_url),
    archive=archive,
)
