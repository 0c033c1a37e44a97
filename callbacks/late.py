"""Results that come late: which of them count, and what is left of the others.

An executor may speak after it was declared dead: it was frozen, cut off, or it left its word in the
spool. The rule, in the order in which it is asked:

1. A row that has not ended takes the first ending of its newest attempt. An attempt is superseded when
   the run was started again in the same row; its word comes too late whatever it says.
2. A row that was closed as lost takes its executor's own word instead, once, if that speaks of the newest
   attempt and no retry of the row exists. What follows from an ending then follows from this one.
3. Any other row keeps what it has. A result that may not be used any more is noted on its row, once:
   whoever looks there shall know that the run did come to an end.

`baton.store.runs` decides 1 and 2 in the statement that ends the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from baton import telemetry
from baton.messages import HandleCallbackParam
from baton.store import runs
from baton.store.runs import RowState, RunEnding
from baton.vocabulary import Outcome


def best_first(endings: Sequence[RunEnding]) -> list[RunEnding]:
    """What several endings of one row in a batch say, in the order in which they are to be believed."""
    return sorted(endings, key=lambda ending: (-ending.attempt, not is_own_word(ending)))


def is_own_word(ending: RunEnding) -> bool:
    """Whether an executor says how it ended, and not that it is lost."""
    return ending.token > 0 and ending.outcome != Outcome.LOST


def note_superseded(connection: Connection, late: Iterable[HandleCallbackParam]) -> None:
    """Redis knew that a newer attempt of these has begun."""
    for said in late:
        telemetry.event("apply.stale", log_id=said.log_id, attempt=said.attempt, outcome=said.outcome)
        _note(connection, said.log_id, said.attempt, said.executor_address, said.outcome)


def note_unused(connection: Connection, endings: Iterable[RunEnding], states: dict[int, RowState]) -> None:
    """Of the endings that changed nothing: those that tell more than their row does."""
    for ending in endings:
        state = states.get(ending.log_id)
        if state is None or not is_own_word(ending):
            continue
        if state.outcome == Outcome.LOST or ending.attempt < state.attempt:
            _note(connection, ending.log_id, ending.attempt, ending.executor_address, ending.outcome)


def _note(connection: Connection, log_id: int, attempt: int, executor: str, outcome: str) -> None:
    text = f"late result of attempt {attempt} from {executor}: {outcome}; not used, a newer attempt exists"
    runs.note_once(connection, log_id, text)
