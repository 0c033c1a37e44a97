"""What the entry point decides about the dashboard: plain values, no clients."""

from __future__ import annotations

from dataclasses import dataclass

from baton.store.retention import FOR_EVER, Keep

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Numbers and secrets of one web process."""

    access_token: str
    """Signs what is asked of executors: the same as theirs."""
    secret_key: str
    """Signs notices and form tokens in the browser's hands."""
    secure_cookies: bool = True
    """Whether people come over HTTPS: cookies are bound to it, and browsers are told to stay there."""
    trusted_proxies: int = 0
    """How many proxies in front may say who the visitor is (`X-Forwarded-For`); 0: none is believed."""
    label: str = ""
    """Shown beside the name: which installation this is."""
    version: str = ""
    session_idle_ms: int = DAY_MS // 2
    """A session that was not used this long is over."""
    session_lifetime_ms: int = 7 * DAY_MS
    """A session is over after this time, however much it is used."""
    executor_dead_after_s: float = 12.0
    """An executor whose last beat is older than this is shown as silent."""
    keep: Keep = FOR_EVER
    """How long runs are kept of groups that do not say it themselves."""
    metrics_token: str = ""
    """What a scraper must show; empty: only this machine may ask for metrics, and no proxy on it."""
    ready_within_s: float = 2.0
    """A store that does not answer a health check within this time is as good as away."""
    measured_within_s: float = 3.0
    """The same for each question that metrics ask: there are three, and a scraper waits ten seconds."""
    report_zone: str = "UTC"
    """Whose days the reports count by."""
    max_streams: int = 8
    """Logs that are followed at the same time in this process; each holds one of its threads."""
    stream_lifetime_s: float = 300.0
    """A browser that follows a log longer than this connects again."""
