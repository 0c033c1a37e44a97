"""Is this Redis one that keeps what it is given?

Everything asked here is in INFO, TIME and ACL WHOAMI, because hosted servers forbid CONFIG. What can lose
or double runs is bad in production, which refuses to start on it, and a warning in development; a server
on which nothing can work is bad everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from ..checkup import LARGEST_SKEW_MS, Line, Verdict, bad, good, risk, told_skew, warning
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import BrokerError
from .client import connect

OLDEST_VERSION = (6, 2)
VERSION = "redis version"
PERSISTENCE = "redis persistence"
_NEARLY_FULL = 0.9
_OPEN_TO_ALL = "default nopass"
_LOADING = "It is still loading its data, and runs scripts when it has: wait a moment."

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


def examine(redis: Redis, *, is_production: bool, clock: Clock = SYSTEM_CLOCK) -> list[Line]:
    """A line for each thing about this server; raises `BrokerError` if it does not answer."""
    try:
        info = redis.info()
        skew_ms, within_ms = _skew(redis, clock)
        user = _user(redis)
    except RedisError as problem:
        raise BrokerError(f"Redis does not answer: {problem}. Check REDIS_URL, and that it runs.") from None
    over_network = str(redis.connection_pool.connection_kwargs.get("path", "")) == ""
    return [
        _of_version(info),
        *_of_role(info),
        *_of_persistence(info, is_production=is_production),
        _of_eviction(info, is_production=is_production),
        _of_memory(info),
        _of_clock(skew_ms, within_ms, is_production=is_production),
        _of_access(user, over_network=over_network, is_production=is_production),
        _of_scripts(redis),
    ]


def reasons_to_refuse(url: str, *, is_production: bool) -> list[str]:
    """Why a process must not begin on this Redis; none if it does not answer, or loads its data.

    One without an append-only file is not among them: hosted servers may have none, and what it forgets is
    pushed again from SQL. `doctor` calls it bad all the same.
    """
    with connect(url) as redis:
        try:
            lines = examine(redis, is_production=is_production)
        except BrokerError:
            return []
    bad_ones = (line for line in lines if line.verdict is Verdict.BAD)
    return [line.text for line in bad_ones if line.subject != PERSISTENCE and line.text != _LOADING]


def check(redis: Redis, *, is_production: bool, clock: Clock = SYSTEM_CLOCK) -> list[Line]:
    """The same, for a start: raises `BrokerError` naming everything that is bad."""
    lines = examine(redis, is_production=is_production, clock=clock)
    reasons = [line.text for line in lines if line.verdict is Verdict.BAD]
    if reasons:
        raise BrokerError("this Redis cannot be used: " + " ".join(reasons))
    return lines


def server_name(info: Mapping[str, Any]) -> str:
    """What it calls itself, as `redis 7.0.15` or `valkey 8.0.1`."""
    return f"{_brand(info)} {'.'.join(map(str, _version(info)))}"


def _brand(info: Mapping[str, Any]) -> str:
    # Valkey says redis_version 7.2.4 for the sake of old clients; its own name is elsewhere
    return "valkey" if "valkey_version" in info else "redis"


def _version(info: Mapping[str, Any]) -> tuple[int, ...]:
    text = str(info.get("valkey_version") or info["redis_version"])
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _of_version(info: Mapping[str, Any]) -> Line:
    version, brand = _version(info), _brand(info)
    if version < OLDEST_VERSION:
        return bad(VERSION, f"It is {server_name(info)}; Baton needs 6.2 or later: upgrade the server.")
    fixed = _FIRST_SAFE_VERSIONS[brand].get(version[:2])
    if fixed and version < fixed:
        # distributions repair old versions without a new number, so this is never more than a warning
        safe = ".".join(map(str, fixed))
        return warning(
            VERSION,
            f"{server_name(info)} has known holes in its scripting, closed in {safe}: upgrade, or make "
            "sure that your distribution repaired it. A private unix socket keeps strangers away.",
        )
    return good(VERSION, server_name(info))


def _of_role(info: Mapping[str, Any]) -> list[Line]:
    if info.get("role") in (None, "master"):
        return []
    return [bad("redis role", "It is a replica and refuses writes: let REDIS_URL name the primary.")]


def _of_persistence(info: Mapping[str, Any], *, is_production: bool) -> list[Line]:
    lines = []
    if not int(info.get("aof_enabled", 0)):
        text = (
            "It keeps no append-only file, so a restart forgets every waiting run until the sweeper "
            "pushes it again: set appendonly yes."
        )
        lines.append(risk(PERSISTENCE, text, is_production=is_production))
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        text = "It could not write to its disk and may refuse writes: free some space."
        lines.append(risk(PERSISTENCE, text, is_production=is_production))
    return lines or [good(PERSISTENCE, "an append-only file, and the last write to it went well")]


def _of_eviction(info: Mapping[str, Any], *, is_production: bool) -> Line:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return good("redis eviction", "none: it refuses a write rather than forget a key")
    text = f"It evicts keys when memory is short ({policy}): set maxmemory-policy noeviction."
    return risk("redis eviction", text, is_production=is_production)


def _of_memory(info: Mapping[str, Any]) -> Line:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return warning(
            "redis memory",
            "It has no maxmemory, so the system ends it when memory is short, instead of a refused push: "
            "set maxmemory to what it may use.",
        )
    text = f"{used / 1024**2:,.0f} MiB of {most / 1024**2:,.0f} MiB are used"
    if used > most * _NEARLY_FULL:
        return warning("redis memory", f"{text}: raise maxmemory before writes are refused.")
    return good("redis memory", text)


def _skew(redis: Redis, clock: Clock) -> tuple[int, int]:
    """How far its clock is ahead of this machine's, and how sure that is, both in milliseconds."""
    asked_ms = clock.now_ms()
    seconds, micros = redis.time()
    told_ms = clock.now_ms()
    within_ms = (told_ms - asked_ms) // 2
    return seconds * 1000 + micros // 1000 - asked_ms - within_ms, within_ms


def _of_clock(skew_ms: int, within_ms: int, *, is_production: bool) -> Line:
    text = f"Its clock is {told_skew(skew_ms)} this machine's"
    if abs(skew_ms) - within_ms < LARGEST_SKEW_MS:
        return good("redis clock", text)
    return risk("redis clock", f"{text}: let both follow the same time server.", is_production=is_production)


def _of_access(user: str | None, *, over_network: bool, is_production: bool) -> Line:
    if not over_network:
        return good("redis access", "a unix socket, which nobody reaches over a network")
    if user is None:
        return good("redis access", "it does not tell who may come in")
    if user != _OPEN_TO_ALL:
        return good("redis access", f"as the user {user!r}")
    text = (
        "Anybody who reaches its port may use it: set a password (requirepass or an ACL user) and put it "
        "into REDIS_URL."
    )
    return risk("redis access", text, is_production=is_production)


def _of_scripts(redis: Redis) -> Line:
    subject = "redis scripting"
    try:
        answer = redis.eval("return redis.call('TIME')[1]", 0)
    except BusyLoadingError:
        return bad(subject, _LOADING)
    except RedisError as problem:
        text = f"It refuses scripts ({problem}): allow EVAL, EVALSHA and SCRIPT LOAD to this user."
        return bad(subject, text)
    if not answer:
        return bad(subject, "A script gave no answer: it is not a Redis that Baton knows.")
    return good(subject, "EVAL works")


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
    return _OPEN_TO_ALL if name == "default" and open_to_all else str(name)
