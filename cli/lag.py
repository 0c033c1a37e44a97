"""What waits for whom, and for how long: a line for each step of a run's way."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Connection

from baton.broker import chores, control, presence, results
from baton.checkup import Line, bad, good, warning
from baton.clock import SYSTEM_CLOCK
from baton.store import failed_callbacks, groups, jobs, runs
from baton.store.engine import read
from baton.store.groups import GroupView

from .installation import Installation

_LATE_MS = 5_000
"""What should have been planned, pushed or applied so long ago waits for a process that is not there."""
_MOMENT_S = 1.0
_LONG_S = 60.0
"""Background work may wait longer than a run."""


def examine(here: Installation) -> Iterator[Line]:
    """Follow the way of a run, from its schedule to its row."""
    now_ms = SYSTEM_CLOCK.now_ms()
    with read(here.engine) as connection:
        known = groups.all_groups(connection)
        yield _planning(connection, now_ms)
        yield _pushing(connection, now_ms)
        yield from _waiting(connection, here, known)
    yield from _claiming(here, known)
    yield _results(here, known, now_ms)
    with read(here.engine) as connection:
        yield _failed_callbacks(connection, now_ms)
    yield from _background(here)


def _planning(connection: Connection, now_ms: int) -> Line:
    due_ms = jobs.next_due_ms(connection)
    late_ms = now_ms - due_ms if due_ms is not None else 0
    if late_ms > _LATE_MS:
        text = f"a job has been due for {_told(late_ms)} and is not planned: does a scheduler run?"
        return bad("lag planning", text)
    return good("lag planning", "no job is due that is not planned")


def _pushing(connection: Connection, now_ms: int) -> Line:
    late_ms = runs.oldest_pending_ms(connection, now_ms)
    if late_ms > _LATE_MS:
        return bad("lag pushing", f"a run waits for {_told(late_ms)} to be pushed: does a scheduler run?")
    return good("lag pushing", "no run waits for a scheduler")


def _waiting(connection: Connection, here: Installation, known: list[GroupView]) -> Iterator[Line]:
    for group in known:
        waiting = runs.count_waiting(connection, group.id)
        if waiting and not presence.executors(here.redis, group.app_name):
            text = f"runs wait in group {group.app_name!r} ({waiting:,}), where no executor listens"
            yield bad("lag running", f"{text}: start a worker for it")


def _claiming(here: Installation, known: list[GroupView]) -> Iterator[Line]:
    """A lane that is served next is gone in a moment, where somebody has a slot for it."""
    before = {group.app_name: control.first_ready(here.redis, group.app_name) for group in known}
    if not any(before.values()):
        return
    time.sleep(_MOMENT_S)
    for app_name, lane in before.items():
        if lane is None or control.first_ready(here.redis, app_name) != lane:
            continue
        free = sum(max(0, each.slots - each.running) for each in presence.executors(here.redis, app_name))
        if free:
            text = f"a run of group {app_name!r} is not claimed, though {free} slots of executors are free"
            yield warning("lag claiming", f"{text}: look at their output, and at limits of its handler")


def _results(here: Installation, known: list[GroupView], now_ms: int) -> Line:
    found = [
        each for each in (results.backlog(here.redis, group.app_name) for group in known) if each.entries
    ]
    entries = sum(each.entries for each in found)
    late_ms = max((now_ms - each.oldest_ms for each in found), default=0)
    if late_ms > _LATE_MS:
        text = f"{entries:,} of them (batches) wait to be applied, the oldest for {_told(late_ms)}"
        return bad("lag results", f"{text}: does a callbacks process run?")
    return good("lag results", f"{entries:,} on their way to their rows, in batches")


def _failed_callbacks(connection: Connection, now_ms: int) -> Line:
    kept = failed_callbacks.backlog(connection)
    if not kept:
        return good("lag failed callbacks", "every result could be applied")
    count, oldest_ms = sum(each.waiting for each in kept), min(each.oldest_ms for each in kept)
    text = f"{count:,} results could not be applied, the oldest came {_told(now_ms - oldest_ms)} ago"
    return warning("lag failed callbacks", f"{text}: look at `baton failed-callbacks list`")


def _background(here: Installation) -> Iterator[Line]:
    found = chores.backlog(chores.queue(here.redis))
    if found.oldest_s > _LONG_S:
        text = (
            f"{found.waiting:,} pieces of background work wait, the oldest for {_told(found.oldest_s * 1000)}"
        )
        yield bad("lag background", f"{text}: does a background process run?")
    elif found.failed:
        text = f"{found.failed:,} pieces of background work failed in the last hour"
        yield warning("lag background", f"{text}: the output of the background process has their traces")
    else:
        yield good("lag background", f"{found.waiting:,} waiting")


def _told(duration_ms: float) -> str:
    """`90 s`, `12 min`, `30 h`: one unit is enough to act on."""
    minutes = duration_ms / 60_000
    if minutes < 10:
        return f"{minutes * 60:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:,.0f} h"
