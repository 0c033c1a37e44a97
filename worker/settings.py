"""What one executor is told when it starts; `config.py` says what each of these means for its user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baton import process_log
from baton.archive import Archive

from .limits import Limits, Wear


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Plain numbers, names and places; nothing here is read from the environment."""

    redis_url: str
    access_token: str
    app_names: Sequence[str]
    tags: Sequence[str]

    handlers: Sequence[str]
    """The modules that declare them."""
    reload: bool
    scripts: Sequence[str]
    """The glue types it may run."""
    commands: Sequence[str]
    http_hosts: Sequence[str]
    rq_url: str
    """Empty: no jobs of RQ."""
    rq_serializer: str
    rq_hook: bool

    concurrency: int
    async_concurrency: int
    usual_limits: Limits
    wear: Wear
    kill_grace_s: float
    soft_lead_s: float

    log_dir: str
    log_cap_bytes: int
    log_retention_days: int
    log_dir_cap_bytes: int
    log_archive: Archive | None
    spool_dir: str
    spool_limit_bytes: int

    drain_grace_s: float
    beat_interval_s: float
    executor_dead_after_s: float
    log_format: str = process_log.TEXT
    """Of what is said outside runs."""
    tracing: bool = False
    """Whether children tell OpenTelemetry of their runs."""
    failpoints: str = ""
