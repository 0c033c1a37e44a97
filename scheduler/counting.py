"""What pushes add to the series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from baton import meters
from baton.broker.producer import PushAnswer, PushRow, PushVerdict
from baton.store import runs
from baton.vocabulary import Outcome, TriggerType

_OF_FIRE_TIMES = (TriggerType.CRON, TriggerType.MISFIRE)


def count_answers(
    app_name: str,
    pushed: Sequence[tuple[runs.PendingRow, PushRow]],
    answers: Sequence[PushAnswer],
    now_ms: int,
    *,
    is_first: bool,
) -> None:
    """Count the verdicts, and how late those of fire times are that come into their lanes the first time."""
    for verdict, times in Counter(answer.verdict for answer in answers).items():
        meters.PUSHED.add(times, app_name, verdict)
    if is_first:
        queued = (
            row
            for (row, _), answer in zip(pushed, answers, strict=True)
            if answer.verdict is PushVerdict.QUEUED and row.trigger_type in _OF_FIRE_TIMES
        )
        late_s = [(now_ms - max(row.fire_at_ms, row.not_before)) / 1000 for row in queued]
        meters.LATENESS_SECONDS.observe_all(late_s, app_name)


def count_refused(rows: Sequence[runs.PendingRow]) -> None:
    """Count runs that ended without a lane; those of a job that is gone belong to no group."""
    for app_name, ended in Counter(row.app_name or "" for row in rows).items():
        meters.RUNS.add(ended, app_name, Outcome.REFUSED)
