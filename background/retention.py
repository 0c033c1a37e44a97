"""Deletes what was kept long enough: runs by the rule of their group, and what hangs on nobody.

A share a minute. What is left of a page was kept on purpose (a failure that is kept longer, a run that has
not ended), so a share goes on where the last one stopped, and begins anew once an hour.
"""

from __future__ import annotations

from typing import Any

from baton import telemetry
from baton.broker import chores
from baton.retention import delete_spent
from baton.store import failed_callbacks, retention
from baton.store.engine import read, write
from baton.store.retention import Spent

from . import reports
from .here import here

CLEAN = "background.retention.clean"
SHARE_S = 8.0
"""Of the minute: alarms wait in the same queue."""
DISCARDED_DAYS = 90
"""How long people can look up which failed callbacks they did not want."""
_BEGIN_ANEW_MS = 3600 * 1000
_DAY_MS = 24 * 3600 * 1000
_ROWS = 500
_reached: dict[int, int] = {}
"""Group -> the run up to which it was gone through since the hour began."""


def delete_old_runs(period_ms: int) -> int:
    """Delete runs by the rules of their groups, for some seconds; answers how many."""
    place = here()
    if period_ms % _BEGIN_ANEW_MS == 0:
        _reached.clear()
    with read(place.engine) as connection:
        rules = retention.rules(connection, place.keep)
    stop_s = place.clock.monotonic_s() + SHARE_S
    deleted = 0
    for group_id, keep in rules.items():
        spent = retention.spent_by(keep, group_id, place.clock.now_ms())
        left_s = stop_s - place.clock.monotonic_s()
        if left_s <= 0:
            break
        after_id = _reached.get(group_id, 0)
        share = delete_spent(place.engine, spent, after_id=after_id, for_s=left_s, clock=place.clock)
        _reached[group_id] = share.after_id
        deleted += share.deleted
    if deleted:
        telemetry.event("retention.deleted", runs=deleted)
    return deleted


def clean(clean_up_id: str, spent: dict[str, Any], after_id: int = 0, deleted: int = 0) -> int:
    """Delete what a person asked for; what is left after a share is handed over again, behind other work."""
    place = here()
    if not after_id:
        reports.count(place.clock.now_ms())  # or what ended a moment ago would stay
    share = delete_spent(place.engine, Spent(**spent), after_id=after_id, for_s=SHARE_S, clock=place.clock)
    deleted += share.deleted
    if share.is_done:
        telemetry.event("retention.deleted", runs=deleted, clean_up=clean_up_id)
        return deleted
    work_id = f"clean-{clean_up_id}-{share.after_id}"
    chores.hand_over(place.queue, CLEAN, work_id, clean_up_id, spent, share.after_id, deleted)
    return deleted


def tidy(_period_ms: int) -> int:
    """Delete what else grows: audit events and discarded results that are old; answers how many."""
    place = here()
    now_ms = place.clock.now_ms()
    with write(place.engine) as connection:
        discarded = failed_callbacks.delete_discarded(connection, now_ms - DISCARDED_DAYS * _DAY_MS, _ROWS)
    audited = 0
    if place.audit_days:
        with write(place.engine) as connection:
            audited = retention.delete_audit(connection, now_ms - place.audit_days * _DAY_MS, _ROWS)
    return discarded + audited
