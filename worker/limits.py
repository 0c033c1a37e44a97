"""How much memory and CPU time a run may use, and when a child is worn out.

A run's processes are its child and everything below it. They are looked at a few times a second, and only
where a limit is set: what is not limited costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import reaper

LOOK_S = 0.2
"""Between two looks at a run with a limit: memory can grow by gigabytes in a second."""
WORN_LOOK_S = 0.5
_MOST_ZOMBIES = 64
"""What a handler's daemons leave in its child: nobody waits for them, and ids are not endless."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run; 0: none."""

    max_rss_mb: int = 0
    max_cpu_s: float = 0.0
    soft_timeout_s: float = 0.0
    """After so long the handler gets an exception that it may catch."""

    @property
    def is_watched(self) -> bool:
        """Whether somebody has to look at its processes."""
        return bool(self.max_rss_mb or self.max_cpu_s)

    def or_else(self, usual: Limits) -> Limits:
        """These, and where one is not set the usual one."""
        return Limits(
            self.max_rss_mb or usual.max_rss_mb,
            self.max_cpu_s or usual.max_cpu_s,
            self.soft_timeout_s or usual.soft_timeout_s,
        )


@dataclass(frozen=True, slots=True)
class Wear:
    """When a child has done enough; 0: never."""

    max_runs: int = 0
    max_rss_mb: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a child use."""

    rss_bytes: int
    cpu_s: float
    """Since each of them began."""


def usage_of(leader: int) -> Usage:
    """Of a child and everything below it."""
    rss_bytes, cpu_s = 0, 0.0
    for pid in {leader} | reaper.descendants_of(leader):
        fields = reaper.stat_of(pid)
        if fields:
            # utime, stime, and those of children it has waited for
            cpu_s += sum(int(fields[n]) for n in (11, 12, 13, 14)) / _TICKS_PER_S
            rss_bytes += int(fields[21]) * _PAGE_BYTES
    return Usage(rss_bytes, cpu_s)


def verdict(limits: Limits, usage: Usage, cpu_before_s: float) -> str:
    """Which limit is passed, in words; empty if none is (pure)."""
    if limits.max_rss_mb and usage.rss_bytes > limits.max_rss_mb * _MB:
        used_mb = usage.rss_bytes // _MB
        return f"memory limit: its processes use {used_mb} MB of {limits.max_rss_mb} MB (max_rss_mb)"
    used_s = usage.cpu_s - cpu_before_s
    if limits.max_cpu_s and used_s > limits.max_cpu_s:
        return f"CPU limit: its processes used {used_s:.1f} s of {limits.max_cpu_s:g} s (max_cpu_s)"
    return ""


def is_worn(leader: int, wear: Wear) -> bool:
    """Whether a child with nothing to run should be replaced for what it has become."""
    fields = reaper.stat_of(leader)
    rss_bytes = int(fields[21]) * _PAGE_BYTES if fields else 0
    if wear.max_rss_mb and rss_bytes > wear.max_rss_mb * _MB:
        return True
    return reaper.zombies_of(leader) > _MOST_ZOMBIES
