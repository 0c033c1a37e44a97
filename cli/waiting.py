"""Waiting for a run to end, for commands that say how it did."""

from __future__ import annotations

import time

from baton.store import runs
from baton.store.engine import read
from baton.store.runs import RunView
from baton.vocabulary import Outcome

from .installation import Installation

EXIT_UNFINISHED = 3
_LOOK_S = 0.2


def wait_for_end(here: Installation, log_id: int, within_s: float) -> RunView | None:
    """The run once it has ended; None if it has not within `within_s`."""
    give_up_s = time.monotonic() + within_s
    while True:
        with read(here.engine) as connection:
            run = runs.get(connection, log_id)
        if run is not None and run.outcome is not None:
            return run
        if time.monotonic() >= give_up_s:
            return None
        time.sleep(_LOOK_S)


def exit_code_of(run: RunView) -> int:
    """0 for success, 1 for every other ending."""
    return 0 if run.outcome == Outcome.SUCCEEDED else 1
