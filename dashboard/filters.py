"""How values become text on a page. Times are UTC here; a script shows them in the viewer's zone."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask

from baton.declarations import differs_from_declared
from baton.vocabulary import (
    ALARM_TITLES,
    BlockStrategy,
    GlueType,
    MisfireStrategy,
    OnLateness,
    OnLost,
    Outcome,
    RouteStrategy,
    RunState,
    ScheduleType,
    TriggerType,
)

LABELS: dict[str, str] = {
    Outcome.SUCCEEDED: "Succeeded",
    Outcome.FAILED: "Failed",
    Outcome.TIMED_OUT: "Timed out",
    Outcome.KILLED: "Killed",
    Outcome.COVERED: "Covered",
    Outcome.DISCARDED: "Discarded",
    Outcome.LOST: "Lost",
    Outcome.REFUSED: "Refused",
    Outcome.EXPIRED: "Expired",
    RunState.PENDING: "Pending",
    RunState.QUEUED: "Waiting",
    RunState.RUNNING: "Running",
    TriggerType.CRON: "Schedule",
    TriggerType.MANUAL: "By hand",
    TriggerType.API: "API",
    TriggerType.RETRY: "Retry",
    TriggerType.PARENT: "Parent job",
    TriggerType.MISFIRE: "Misfire",
    TriggerType.BACKFILL: "Backfill",
    ScheduleType.FIX_RATE: "Fixed rate",
    ScheduleType.NONE: "No schedule",
    BlockStrategy.SERIAL_EXECUTION: "Wait in line",
    BlockStrategy.DISCARD_LATER: "Discard the later",
    BlockStrategy.COVER_EARLY: "Cover the earlier",
    BlockStrategy.BUFFER_ONE: "Keep one waiting",
    BlockStrategy.PARALLEL: "Run side by side",
    MisfireStrategy.DO_NOTHING: "Do nothing",
    MisfireStrategy.FIRE_ONCE_NOW: "Fire once now",
    MisfireStrategy.FIRE_ALL: "Fire all of them",
    ScheduleType.FIX_DELAY: "Fixed delay",
    ScheduleType.ONCE: "Once",
    RouteStrategy.ANY: "Whoever is free first",
    RouteStrategy.FIRST: "The first executor",
    RouteStrategy.LAST: "The last executor",
    RouteStrategy.ROUND: "Each in turn",
    RouteStrategy.RANDOM: "By chance",
    RouteStrategy.CONSISTENT_HASH: "Always the same (consistent hash)",
    RouteStrategy.LEAST_FREQUENTLY_USED: "The least frequently used",
    RouteStrategy.LEAST_RECENTLY_USED: "The least recently used",
    RouteStrategy.FAILOVER: "The first that beats (failover)",
    RouteStrategy.BUSYOVER: "The first that is idle (busyover)",
    RouteStrategy.SHARDING_BROADCAST: "All of them, a shard each (broadcast)",
    **ALARM_TITLES,
    GlueType.BEAN: "Handler",
    GlueType.GLUE_SHELL: "Shell script",
    GlueType.GLUE_PYTHON: "Python script",
    GlueType.GLUE_NODEJS: "Node.js script",
    GlueType.GLUE_PHP: "PHP script",
    GlueType.GLUE_POWERSHELL: "PowerShell script",
    GlueType.GLUE_GROOVY: "Groovy (Java executors only)",
    GlueType.RQ: "Function on RQ workers",
    OnLateness.ALARM: "People are told",
    OnLateness.IGNORE: "Nobody is told",
    OnLost.FAIL: "Fail",
    OnLost.RERUN: "Run again",
}
"""Words of the code as people read them."""

TONES: dict[str, str] = {
    Outcome.SUCCEEDED: "good",
    Outcome.FAILED: "bad",
    Outcome.TIMED_OUT: "warn",
    Outcome.LOST: "warn",
    Outcome.REFUSED: "bad",
    Outcome.EXPIRED: "warn",
    Outcome.KILLED: "odd",
    Outcome.COVERED: "calm",
    Outcome.DISCARDED: "calm",
    RunState.PENDING: "calm",
    RunState.QUEUED: "calm",
    RunState.RUNNING: "busy",
}
"""The colour of a state. It never stands without the word, or a title that says it."""

_UNITS = ((24 * 3600, "d"), (3600, "h"), (60, "min"), (1, "s"))


def install(app: Flask) -> None:
    """Make these known to the templates of `app`."""
    app.jinja_env.filters.update(
        label=label,
        tone=tone,
        iso=iso,
        utc=utc,
        wall=wall,
        duration=duration,
        seconds=seconds,
        differs=differs_from_declared,
        first_line=first_line,
        pretty_json=pretty_json,
        reason=reason,
        grouped=grouped,
        percent=percent,
        rate=rate,
    )


def label(word: str) -> str:
    """A word of the code as people read it; an unknown one stands for itself."""
    return LABELS.get(str(word), str(word))


def tone(state: str) -> str:
    """The colour of a state."""
    return TONES.get(str(state), "calm")


def iso(ms: int) -> str:
    """For the `datetime` attribute: `2026-01-01T12:00:00.250Z`."""
    return _at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(ms: int) -> str:
    """For people without scripts: `2026-01-01 12:00:00 UTC`."""
    return _at(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def wall(ms: int, zone: str) -> str:
    """By the wall clock of `zone`: `Mon 2026-01-05 08:30:00`; of a zone nobody knows, as in UTC."""
    try:
        clock: tzinfo = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return utc(ms)
    return _at(ms).astimezone(clock).strftime("%a %Y-%m-%d %H:%M:%S")


def duration(ms: int) -> str:
    """`< 1 ms`, `12 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`."""
    if ms < 1:
        return "< 1 ms"
    if ms < 1000:
        return f"{ms} ms"
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    return seconds(ms // 1000)


def seconds(count: int) -> str:
    """Whole seconds in their two largest units: `90` is `1 min 30 s`."""
    parts: list[str] = []
    rest = count
    for size, unit in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"


def percent(fraction: float) -> str:
    """`42 %`; never 100 before all of it is done."""
    return f"{math.floor(fraction * 100)} %"


def rate(share: float | None) -> str:
    """`98.2 %`; never 100 before all of it is so, nor 0 while there is some; a dash of nothing."""
    if share is None:
        return "\N{EN DASH}"
    tenths = min(max(round(share * 1000), share > 0), 1000 - (share < 1))
    return f"{tenths / 10:g} %"


def first_line(text: str | None) -> str:
    """What a long message comes down to: a traceback says it in its last line, others in their first."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if not lines:
        return ""
    shown = lines[-1] if any(line.startswith("Traceback ") for line in lines) else lines[0]
    return shown[:300]


def pretty_json(text: str) -> str:
    """Indented, if it is JSON; else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def reason(trigger_msg: str | None) -> str:
    """Why a run reached no lane, as `trigger_msg` says; empty for one that did."""
    try:
        facts = json.loads(trigger_msg or "{}")
    except (ValueError, RecursionError):
        return ""
    return str(facts.get("reason", "")) if isinstance(facts, dict) else ""


def grouped(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def _at(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
