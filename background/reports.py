"""Counts runs into the reports: once a minute, in small steps, for some seconds.

Runs are read outside of any transaction that writes; a step writes the numbers of a thousand runs, which are
a few rows. What a pass does not come to is counted by the next one.
"""

from __future__ import annotations

import time

from baton import telemetry
from baton.failpoints import failpoint
from baton.store import report_rows, reports
from baton.store.engine import read, write
from baton.store.report_rows import Periods

from .here import Here, here

NEW_SHARE_S = 5.0
AGAIN_SHARE_S = 3.0
"""Of the minute, for new runs and for open ones, so that many of one kind do not hold up the other.
Alarms wait in the same queue."""
STEP_ROWS = 1_000
PAUSE_S = 0.005
"""Between two steps: who waits for SQLite's one writer has his turn."""
_WRITERS_S = 3.0
"""So long others may take to end what they write; runs are counted up to where that is over."""
_LOOK_S = 0.02
_HOUR_MS = 3600 * 1000


def count(_period_ms: int) -> int:
    """Count what is new, and what was open and came out otherwise; answers how many runs that was."""
    place = here()
    began_ms = place.clock.now_ms()
    periods = Periods(place.zone, _first_hour(began_ms))
    counted = _look_again(place, periods)
    until_id = _settled_id(place)
    if until_id is not None:
        more, is_done = _count_new(place, periods, until_id)
        counted += more
        if is_done:
            with write(place.engine) as connection:
                reports.caught_up(connection, began_ms)
    _remember_names(place)
    if counted:
        telemetry.event("report.counted", runs=counted)
    return counted


def forget_hours(_period_ms: int) -> int:
    """Delete the hours that nobody looks at any more; their days stay."""
    place = here()
    before = _first_hour(place.clock.now_ms())
    with write(place.engine) as connection:
        return report_rows.forget_hours(connection, before)


def _first_hour(now_ms: int) -> str:
    return report_rows.hour_of(now_ms - report_rows.HOURS_KEPT * _HOUR_MS)


def _settled_id(place: Here) -> int | None:
    """A run up to which no further one can appear; None while somebody takes long to write."""
    with place.engine.connect() as connection:
        newest_id = reports.newest_id(connection)
        others = reports.writers(connection)  # after the newest: who has a smaller id has written by then
        stop_s = time.monotonic() + _WRITERS_S
        while others and time.monotonic() < stop_s:
            time.sleep(_LOOK_S)
            others &= reports.writers(connection)
    if others:
        telemetry.warning("report.waiting", writers=len(others))
        return None
    return newest_id


def _count_new(place: Here, periods: Periods, until_id: int) -> tuple[int, bool]:
    """How many were counted, and whether none is left."""
    counted = 0
    stop_s = place.clock.monotonic_s() + NEW_SHARE_S
    while place.clock.monotonic_s() < stop_s:
        with read(place.engine) as connection:
            from_id = reports.counted_until(connection)
            runs = reports.following(connection, from_id, until_id, STEP_ROWS)
        if from_id >= until_id:
            return counted, True
        # the newest ids may be gone or never used
        to_id = runs[-1].log_id if len(runs) == STEP_ROWS else until_id
        news = reports.sums(runs, periods)
        # read, not counted: after a crash here they are read again
        failpoint("report.read")
        with write(place.engine) as connection:
            is_ours = reports.count(connection, runs, news, from_id, to_id)
            # counted, not committed: after a crash here none of it has happened
            failpoint("report.uncommitted")
        if not is_ours:
            return counted, False  # another process counts
        counted += len(runs)
        time.sleep(PAUSE_S)
    return counted, False


def _look_again(place: Here, periods: Periods) -> int:
    """How many came out otherwise; where a pass has to stop the next one goes on."""
    counted = 0
    stop_s = place.clock.monotonic_s() + AGAIN_SHARE_S
    with read(place.engine) as connection:
        after_id = began_at_id = reports.progress(connection).looked_id
    while place.clock.monotonic_s() < stop_s:
        with read(place.engine) as connection:
            found = reports.still_open(connection, after_id, STEP_ROWS)
        after_id = found[-1].log_id if len(found) == STEP_ROWS else 0
        changed = [each for each in found if each.has_changed]
        failpoint("report.looked")
        if changed:
            with write(place.engine) as connection:
                counted += reports.recount(connection, changed, after_id, periods)
        if not after_id:
            break
    if after_id != began_at_id:
        with write(place.engine) as connection:
            reports.looked(connection, after_id)
    return counted


def _remember_names(place: Here) -> None:
    with read(place.engine) as connection:
        names = reports.new_names(connection)
    if names:
        with write(place.engine) as connection:
            reports.remember(connection, names)
