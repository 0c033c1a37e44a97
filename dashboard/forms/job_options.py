"""The fields of a job's form that most jobs leave as they are: one function a section."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baton.vocabulary import DstFold, DstGap, OnLateness, RetryBackoff, RouteStrategy, SerialScope

from .reading import Reading

LONGEST_JITTER_S = 3600
LONGEST_CATCHUP_S = 30 * 24 * 3600
MOST_CATCHUP = 1000
LONGEST_DEADLINE_S = 7 * 24 * 3600
MOST_PARALLEL = 1000
MOST_QUEUED = 1_000_000
HIGHEST_PRIORITY = 9
LONGEST_RETRY_DELAY_S = 24 * 3600
CHILDREN_LIMIT = 255

_TAG = re.compile(r"[A-Za-z0-9._-]{0,32}", re.ASCII)
_IDS = re.compile(r"\d{1,18}(,\d{1,18})*", re.ASCII)

SECTIONS: dict[str, tuple[str, ...]] = {
    "schedule": (
        "start_at", "end_at", "calendar_id", "jitter_s", "dst_gap", "dst_fold",
        "max_catchup", "catchup_window_s", "start_deadline_s",
    ),
    "executor": ("route_strategy", "executor_tag", "serial_scope"),
    "queue": ("max_concurrency", "max_queue", "priority"),
    "retries": ("retry_delay_s", "retry_backoff", "retry_delay_max_s", "child_job_ids"),
    "alarms": ("alarm_channel_ids", "alarms_only_chosen", "on_lateness", "late_after_s"),
}  # fmt: skip
"""The fields of each folded section: it opens by itself when one of them is unusual or wrong."""


def schedule_options(reading: Reading, zone: str, calendar_ids: Mapping[int, Any]) -> dict[str, Any]:
    """When exactly it fires, and what becomes of fire times that were missed."""
    known_zone = _known(zone)
    start_at = reading.moment("start_at", "The start", known_zone)
    end_at = reading.moment("end_at", "The end", known_zone)
    if start_at and end_at and end_at <= start_at:
        reading.wrong("end_at", "The end is not after the start.")
    calendar_id = reading.whole("calendar_id", "The calendar", 2**63 - 1) or None
    if calendar_id is not None and calendar_id not in calendar_ids:
        reading.wrong("calendar_id", "There is no such calendar; perhaps it was deleted.")
    return {
        "start_at": start_at,
        "end_at": end_at,
        "calendar_id": calendar_id,
        "jitter_s": reading.whole("jitter_s", "The jitter", LONGEST_JITTER_S),
        "dst_gap": reading.choice("dst_gap", "What a skipped time becomes", DstGap, DstGap.RUN_AFTER).value,
        "dst_fold": reading.choice("dst_fold", "What a repeated time becomes", DstFold, DstFold.ONCE).value,
        "max_catchup": reading.whole("max_catchup", "The number of missed times", MOST_CATCHUP, least=1),
        "catchup_window_s": reading.whole("catchup_window_s", "The catch-up window", LONGEST_CATCHUP_S),
        "start_deadline_s": reading.whole("start_deadline_s", "The start deadline", LONGEST_DEADLINE_S),
    }


def executor_options(reading: Reading) -> dict[str, Any]:
    """Which executor gets it."""
    tag = reading.line("executor_tag", "The tag", 32)
    if not _TAG.fullmatch(tag):
        reading.wrong("executor_tag", "A tag is made of letters, digits, '-', '_' and '.'.")
    route = reading.choice("route_strategy", "The route", RouteStrategy, RouteStrategy.ANY)
    scope = reading.choice("serial_scope", "Where it counts", SerialScope, SerialScope.LANE)
    return {"route_strategy": route.value, "executor_tag": tag, "serial_scope": scope.value}


def queue_options(reading: Reading) -> dict[str, Any]:
    """What happens when several of its triggers are there at a time."""
    return {
        "max_concurrency": reading.whole("max_concurrency", "The parallel limit", MOST_PARALLEL, least=1),
        "max_queue": reading.whole("max_queue", "The queue limit", MOST_QUEUED),
        "priority": reading.whole("priority", "The priority", HIGHEST_PRIORITY),
    }


def retry_options(reading: Reading) -> dict[str, Any]:
    """What follows a failure, and what follows a success."""
    backoff = reading.choice("retry_backoff", "The pause", RetryBackoff, RetryBackoff.FIXED)
    children = reading.line("child_job_ids", "The list of child jobs", CHILDREN_LIMIT).replace(" ", "")
    if children and not _IDS.fullmatch(children):
        reading.wrong("child_job_ids", "Write ids of jobs with commas between, as 12,15.")
    return {
        "retry_delay_s": reading.whole("retry_delay_s", "The pause", LONGEST_RETRY_DELAY_S),
        "retry_backoff": backoff.value,
        "retry_delay_max_s": reading.whole("retry_delay_max_s", "The longest pause", LONGEST_RETRY_DELAY_S),
        "child_job_ids": children,
    }


def alarm_options(reading: Reading, channel_ids: Collection[int]) -> dict[str, Any]:
    """Who is told of it, and when its runs are late."""
    chosen = reading.raw("alarm_channel_ids")
    if chosen and not set(chosen.split(",")) <= set(map(str, channel_ids)):
        reading.wrong("alarm_channel_ids", "One of these channels was deleted.")
    return {
        "alarm_channel_ids": chosen,
        "alarms_only_chosen": reading.is_checked("alarms_only_chosen"),
        "on_lateness": reading.choice("on_lateness", "The choice", OnLateness, OnLateness.ALARM).value,
        "late_after_s": reading.whole("late_after_s", "The limit", LONGEST_DEADLINE_S),
    }


def typed_moment(ms: int, zone: str) -> str:
    """As a field for a moment shows it: the wall clock of the job's zone."""
    if not ms:
        return ""
    wall = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(_known(zone)))
    return wall.strftime("%Y-%m-%dT%H:%M" + (":%S" if wall.second else ""))


def _known(zone: str) -> str:
    """The zone, or UTC for one that nobody knows: its own field says so."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
    return zone
