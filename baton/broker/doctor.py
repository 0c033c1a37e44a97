"""Start-up checks: is this Redis one that keeps what it is given?

Everything asked here is in INFO, TIME and ACL WHOAMI, because hosted servers forbid CONFIG. A finding
that can lose or double runs is `serious`: production refuses to start on it, development warns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from ..errors import BrokerError

OLDEST_VERSION = (6, 2)
LARGEST_CLOCK_SKEW_MS = 2000

_FIRST_SAFE_VERSIONS: dict[str, dict[tuple[int, ...], tuple[int, ...]]] = {
    # the releases that closed remote code execution through scripts (CVE-2025-49844)
    "redis": {
        (6, 2): (6, 2, 20),
        (7, 2): (7, 2, 11),
        (7, 4): (7, 4, 6),
        (8, 0): (8, 0, 4),
        (8, 2): (8, 2, 2),
    },
    "valkey": {(7, 2): (7, 2, 11), (8, 0): (8, 0, 6), (8, 1): (8, 1, 4)},
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the server a person should know: what is wrong, and how to mend it."""

    text: str
    serious: bool = True


def examine(redis: Redis, *, now_ms: int) -> list[Finding]:
    """Every finding about this server, serious ones first; raises `BrokerError` if it does not answer.

    `now_ms` is this machine's wall clock, read just before the call.
    """
    try:
        info = redis.info()
        seconds, micros = redis.time()
        user = _user(redis)
    except RedisError as problem:
        raise BrokerError(f"Redis does not answer: {problem}. Check REDIS_URL, and that it runs.") from None
    over_network = str(redis.connection_pool.connection_kwargs.get("path", "")) == ""
    findings = [
        *_of_version(info),
        *_of_role(info),
        *_of_persistence(info),
        *_of_memory(info),
        *_of_clock(seconds * 1000 + micros // 1000 - now_ms),
        *_of_access(user, over_network=over_network),
        *_of_scripts(redis),
    ]
    return sorted(findings, key=lambda finding: not finding.serious)


def check(redis: Redis, *, now_ms: int, production: bool) -> list[Finding]:
    """Every finding about this server; raises `BrokerError` naming all serious findings in production.

    A server that is too old is refused everywhere: the scripts do not work there.
    """
    findings = examine(redis, now_ms=now_ms)
    info = redis.info("server")
    too_old = _version(info) < OLDEST_VERSION
    serious = [finding.text for finding in findings if finding.serious]
    if serious and (production or too_old):
        raise BrokerError("this Redis cannot be used: " + " ".join(serious))
    return findings


def server_name(info: Mapping[str, Any]) -> str:
    """What it calls itself, as `redis 7.0.15` or `valkey 8.0.1`."""
    return f"{_brand(info)} {'.'.join(map(str, _version(info)))}"


def _brand(info: Mapping[str, Any]) -> str:
    # Valkey says redis_version 7.2.4 for the sake of old clients; its own name is elsewhere
    return "valkey" if "valkey_version" in info else "redis"


def _version(info: Mapping[str, Any]) -> tuple[int, ...]:
    text = str(info.get("valkey_version") or info["redis_version"])
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _of_version(info: Mapping[str, Any]) -> list[Finding]:
    version, brand = _version(info), _brand(info)
    if version < OLDEST_VERSION:
        return [Finding(f"It is {server_name(info)}; Baton needs 6.2 or later: upgrade the server.")]
    fixed = _FIRST_SAFE_VERSIONS[brand].get(version[:2])
    if fixed and version < fixed:
        # distributions repair old versions without a new number, so this is never more than a warning
        safe = ".".join(map(str, fixed))
        return [
            Finding(
                f"{server_name(info)} has known holes in its scripting, closed in {safe}: upgrade, or make "
                "sure that your distribution repaired it. A private unix socket keeps strangers away.",
                serious=False,
            )
        ]
    return []


def _of_role(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("role") in (None, "master"):
        return []
    return [Finding("It is a replica and refuses writes: let REDIS_URL name the primary.")]


def _of_persistence(info: Mapping[str, Any]) -> list[Finding]:
    findings = []
    if not int(info.get("aof_enabled", 0)):
        findings.append(
            Finding(
                "It keeps no append-only file, so a restart forgets every waiting run until the sweeper "
                "pushes it again: set appendonly yes."
            )
        )
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        findings.append(Finding("It could not write to its disk and may refuse writes: free some space."))
    return findings


def _of_memory(info: Mapping[str, Any]) -> list[Finding]:
    findings = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        findings.append(
            Finding(f"It evicts keys when memory is short ({policy}): set maxmemory-policy noeviction.")
        )
    if not int(info.get("maxmemory", 0)):
        findings.append(
            Finding(
                "It has no maxmemory, so the system ends it when memory is short, instead of a refused push: "
                "set maxmemory to what it may use.",
                serious=False,
            )
        )
    return findings


def _of_clock(skew_ms: int) -> list[Finding]:
    if abs(skew_ms) < LARGEST_CLOCK_SKEW_MS:
        return []
    side = "ahead of" if skew_ms > 0 else "behind"
    return [
        Finding(
            f"Its clock is {abs(skew_ms) / 1000:.1f} s {side} this machine's: "
            "let both follow the same time server."
        )
    ]


def _of_access(user: str | None, *, over_network: bool) -> list[Finding]:
    if not over_network or user != "default nopass":
        return []
    return [
        Finding(
            "Anybody who reaches its port may use it: set a password (requirepass or an ACL user) and put it "
            "into REDIS_URL."
        )
    ]


def _of_scripts(redis: Redis) -> list[Finding]:
    try:
        answer = redis.eval("return redis.call('TIME')[1]", 0)
    except RedisError as problem:
        return [Finding(f"It refuses scripts ({problem}): allow EVAL, EVALSHA and SCRIPT LOAD to this user.")]
    return [] if answer else [Finding("A script gave no answer: it is not a Redis that Baton knows.")]


def _user(redis: Redis) -> str | None:
    """`default nopass` when anybody may come in; None where the server does not tell."""
    try:
        name = redis.acl_whoami()
        flags = redis.acl_getuser("default") or {}
    except ResponseError:
        return None
    if isinstance(name, bytes):
        name = name.decode()
    open_to_all = "nopass" in cast(dict[str, list[str]], flags).get("flags", [])
    return "default nopass" if name == "default" and open_to_all else str(name)
