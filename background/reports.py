"""Counts runs into the reports: once a minute, in small steps, for some seconds.

Runs are read outside of any transaction that writes, thousands at a time. A step writes what some of them add
up to, however many they are, for a few hundred jobs at most. What a pass does not come to the next one does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from baton import telemetry
from baton.failpoints import failpoint
from baton.store import report_rows, reports
from baton.store.engine import read, write
from baton.store.report_rows import Periods
from baton.store.reports import Counted

from .here import Here, here

NEW_SHARE_S = 5.0
AGAIN_SHARE_S = 3.0
"""Of the minute, for new runs and for open ones, so that many of one kind do not hold up the other.
Alarms wait in the same queue."""
READ_ROWS = 5_000
STEP_LEAVES = {"sqlite": 300, "postgresql": READ_ROWS}
"""Jobs and hours whose numbers change in one transaction: each is two rows, one by the day. SQLite's writer
is asked for often and for short; on PostgreSQL nobody waits for these rows, and commits wait for the disk."""
PAUSE_S = 0.02
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
        telemetry.detail("report.counted", runs=counted)
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
    most = STEP_LEAVES[place.engine.dialect.name]
    stop_s = place.clock.monotonic_s() + NEW_SHARE_S
    while place.clock.monotonic_s() < stop_s:
        with read(place.engine) as connection:
            from_id = reports.counted_until(connection)
            runs = reports.following(connection, from_id, until_id, READ_ROWS)
        if from_id >= until_id:
            return counted, True
        # the newest ids may be gone or never used
        last_id = runs[-1].log_id if len(runs) == READ_ROWS else until_id
        for bite in list(reports.bites(runs, periods, most)) or [[]]:
            to_id = last_id if not bite or bite[-1] is runs[-1] else bite[-1].log_id
            if not _count_bite(place, periods, bite, from_id, to_id):
                return counted, False  # another process counts
            from_id = to_id
            counted += len(bite)
    return counted, False


def _count_bite(place: Here, periods: Periods, bite: Sequence[Counted], from_id: int, to_id: int) -> bool:
    news = reports.sums(bite, periods)
    # read, not counted: after a crash here they are read again
    failpoint("report.read")
    with write(place.engine) as connection:
        is_ours = reports.count(connection, bite, news, from_id, to_id)
        # counted, not committed: after a crash here none of it has happened
        failpoint("report.uncommitted")
    time.sleep(PAUSE_S)
    return is_ours


def _look_again(place: Here, periods: Periods) -> int:
    """How many came out otherwise; where a pass has to stop the next one goes on."""
    counted = 0
    most = STEP_LEAVES[place.engine.dialect.name]
    stop_s = place.clock.monotonic_s() + AGAIN_SHARE_S
    with read(place.engine) as connection:
        after_id = began_at_id = reports.progress(connection).looked_id
    while place.clock.monotonic_s() < stop_s:
        with read(place.engine) as connection:
            found = reports.still_open(connection, after_id, READ_ROWS)
        after_id = found[-1].log_id if len(found) == READ_ROWS else 0
        for bite in reports.bites((each for each in found if each.has_changed), periods, most):
            failpoint("report.looked")
            with write(place.engine) as connection:
                counted += reports.recount(connection, bite, periods)
            time.sleep(PAUSE_S)
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
