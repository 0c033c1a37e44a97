"""Deletes runs that nobody keeps, a few at a time, so that nobody waits who plans and ends others.

A deletion stops after its share of time and says where to go on. It may be stopped anywhere and begun again
anywhere: what is deleted is not there any more, and the rest is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from .clock import SYSTEM_CLOCK, Clock
from .failpoints import failpoint
from .store import retention
from .store.engine import read, write
from .store.retention import Spent

LOOK_ROWS = 5000
"""Of a page: read in some milliseconds."""
DELETE_ROWS = 500
"""Of a transaction: on SQLite nobody else writes meanwhile."""
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Share:
    """What was done in the time there was."""

    deleted: int
    after_id: int
    """Go on behind this one."""
    is_done: bool


def delete_spent(
    engine: Engine, spent: Spent, *, after_id: int = 0, for_s: float, clock: Clock = SYSTEM_CLOCK
) -> Share:
    """Delete what goes, for about so many seconds."""
    stop_s = clock.monotonic_s() + for_s
    deleted = 0
    with read(engine) as connection:
        floor_id = retention.floor(connection, spent)
    while True:
        with read(engine) as connection:
            page = retention.look(connection, spent, floor_id, after_id, LOOK_ROWS)
        for log_ids in _in_parts(page.spent, DELETE_ROWS):
            with write(engine) as connection:
                deleted += retention.delete_runs(connection, log_ids)
            # these are gone, more are to go: after a crash here the next period begins anew
            failpoint("retention.deleted")
            if clock.monotonic_s() >= stop_s:
                return Share(deleted, log_ids[-1], is_done=False)
            time.sleep(PAUSE_S)
        after_id = page.last_id
        if page.is_last or clock.monotonic_s() >= stop_s:
            return Share(deleted, after_id, is_done=page.is_last)


def _in_parts(log_ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for begin in range(0, len(log_ids), size):
        yield log_ids[begin : begin + size]
