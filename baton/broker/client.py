"""Connections to Redis.

Two kinds, because redis-py gives up on a silent server after `socket_timeout`: ordinary
calls should notice that soon, calls that block on purpose must wait longer. redis-py may send a
command again after a time-out; every script of ours stands being repeated.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from ..errors import BrokerError

LONGEST_BLOCK_S = 10.0
"""No blocking call of ours waits longer on the server."""

_SCHEMES = ("redis", "rediss", "unix")


def connect(url: str, *, socket_timeout_s: float | None = 5.0) -> Redis:
    """A client for ordinary calls."""
    return _client(url, socket_timeout_s)


def connect_blocking(url: str) -> Redis:
    """A client for calls that block up to `LONGEST_BLOCK_S` on the server."""
    return _client(url, LONGEST_BLOCK_S + 5.0)


def _client(url: str, socket_timeout_s: float | None) -> Redis:
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        raise BrokerError(f"REDIS_URL begins with {scheme!r}; use one of {', '.join(_SCHEMES)}")
    options: dict[str, Any] = {} if scheme == "unix" else {"socket_keepalive": True}
    return Redis.from_url(
        url,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=5.0,
        health_check_interval=0,
        # one more try at once, for a connection that died while it was idle; callers back off beyond that
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        **options,
    )
