"""Jobs are planned when their time comes; alarms reach those who want them."""

from __future__ import annotations

from collections.abc import Iterator

from ..check import Check, Clue, Seen


def _overdue(seen: Seen) -> Iterator[Clue]:
    for each in seen.rows.overdue_jobs:
        yield Clue(str(each.id), f"its next time was {each.said} (epoch ms)", job_id=each.job_id)


def _awaits_nothing(seen: Seen) -> Iterator[Clue]:
    for each in seen.rows.awaiting_nothing:
        text = f"it waits for the end of the run of {each.said} (epoch ms), and no run of it is under way"
        yield Clue(str(each.id), text, job_id=each.job_id)


def _not_routed(seen: Seen) -> Iterator[Clue]:
    for each in seen.rows.not_routed:
        yield Clue(str(each.id), f"{each.said} was not given to any channel", job_id=each.job_id)


def _not_sent(seen: Seen) -> Iterator[Clue]:
    for each in seen.rows.not_sent:
        yield Clue(str(each.id), f"it is due, and was tried {each.said} times", job_id=each.job_id)


CHECKS = (
    Check(
        "job.overdue", "job", "A job is due, and nobody plans it",
        "It has no runs. No scheduler is at work, or its planner fails.",
        "Start a scheduler, or look at its output.",
        _overdue,
    ),
    Check(
        "job.awaits_nothing", "job", "A job waits for the end of a run that is not there",
        "Its fixed delay never begins. The scheduler looks for such jobs every few seconds: none is at work.",
        "Start a scheduler; or stop the job and start it again.",
        _awaits_nothing,
    ),
    Check(
        "alarm.not_routed", "alarm", "An alarm was not given to channels",
        "Nobody is told. No scheduler is at work.",
        "Start a scheduler, or look at its output.",
        _not_routed, is_untold=True,
    ),
    Check(
        "alarm.not_sent", "delivery", "An alarm is due, and nobody sends it",
        "Nobody is told. No background process is at work, or it has too much to do.",
        "Start a background process, or look at its output.",
        _not_sent, is_untold=True,
    ),
)  # fmt: skip
