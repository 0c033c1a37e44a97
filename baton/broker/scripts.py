"""Finds `lua/*.lua`, resolves includes, and runs them by SHA with a reload after NOSCRIPT.

The header of a script is its contract: the names on its KEYS line are looked up in
`GroupKeys.named` and passed in that order, so a script and its caller cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import NoScriptError, RedisError

from .. import meters
from ..errors import BrokerError
from .keys import GroupKeys

Argument = str | bytes | int

_INCLUDE = re.compile(r"^--- @include (\w+)$", re.MULTILINE)
_KEYS = re.compile(r"^-- KEYS (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script: its source with includes, and the keys its header names."""

    name: str
    source: str
    keys: tuple[str, ...]
    sha: str

    def run(self, redis: Redis, keys: GroupKeys, arguments: Sequence[Argument]) -> Any:
        """Run it; the script is sent again if the server has forgotten it."""
        names = [keys.named(name) for name in self.keys]
        with metered(self.name):
            try:
                return redis.evalsha(self.sha, len(names), *names, *arguments)
            except NoScriptError:
                return redis.eval(self.source, len(names), *names, *arguments)

    def queue(self, pipeline: Pipeline, keys: GroupKeys, arguments: Sequence[Argument]) -> None:
        """Add a call to a pipeline; the script must have been loaded on this server."""
        names = [keys.named(name) for name in self.keys]
        pipeline.evalsha(self.sha, len(names), *names, *arguments)


@contextmanager
def metered(name: str) -> Iterator[None]:
    """Count and time the round trip in this block; one that failed is counted only."""
    began_s = time.perf_counter()
    try:
        yield
    except NoScriptError:
        raise  # nothing is wrong: the script is sent, and runs then
    except RedisError:
        meters.REDIS_ERRORS.add(1, name)
        raise
    meters.SCRIPT_SECONDS.observe(time.perf_counter() - began_s, name)


@cache
def load(name: str) -> Script:
    """The script in `lua/<name>.lua`."""
    source = _INCLUDE.sub(lambda match: _read(match[1]), _read(name))
    header = _KEYS.search(source)
    if header is None:
        raise BrokerError(f"lua/{name}.lua has no KEYS line in its header")
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, tuple(header[1].split()), sha)


def load_on_server(redis: Redis, *names: str) -> None:
    """Make sure the server knows these scripts (it forgets them when it restarts)."""
    for name in names:
        redis.script_load(load(name).source)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath("lua", f"{name}.lua").read_text("utf-8")
