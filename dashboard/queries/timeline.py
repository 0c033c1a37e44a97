"""The way of one run, from the planned instant to its end, as steps with the time between. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise

from baton.store.runs import RunView
from baton.vocabulary import Outcome, RunState

from ..filters import label, tone
from .run_list import ShownRun


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the way."""

    name: str
    at_ms: int | None
    """None: not reached, or its time is not known."""
    note: str = ""
    tone: str = ""
    is_reached: bool = False
    gap_ms: int | None = None
    """From the step before."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the push, as the scheduler wrote it down."""

    name: str
    text: str


_FACT_NAMES = {
    "trigger_type": "Trigger type",
    "scheduler": "Scheduler",
    "route_strategy": "Route strategy",
    "block_strategy": "Block strategy",
    "executor_timeout": "Timeout",
    "executor_fail_retry_count": "Retries left",
    "lane": "Lane",
    "executors": "Executors then",
    "note": "Note",
    "reason": "Reason",
}


def timeline(shown: ShownRun) -> list[Step]:
    """Planned, triggered, started, ended."""
    run = shown.run
    steps = [
        Step("Planned", run.fire_at, is_reached=True),
        Step("Triggered", run.trigger_time, label(run.trigger_type), is_reached=True),
        _started(shown),
        _ended(shown),
    ]
    return [steps[0], *(_with_gap(before, step) for before, step in pairwise(steps))]


def trigger_facts(run: RunView) -> list[Fact]:
    """What `trigger_msg` says: the facts of the push, or why there was none."""
    said = run.trigger_msg or ""
    if not said:
        return []
    try:
        facts = json.loads(said)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        return [Fact("Message", said)]
    return [Fact(str(_FACT_NAMES.get(name, name)), str(_said(name, value))) for name, value in facts.items()]


def lane_in(run: RunView) -> str | None:
    """The lane its message was pushed into, as the facts of the push say."""
    return next((fact.text for fact in trigger_facts(run) if fact.name == "Lane"), None)


def _fact_name(name: str) -> str:
    return _FACT_NAMES.get(name, name)


def _said(name: str, value: object) -> str:
    if name == "executor_timeout":
        return f"{value} s" if value else "none"
    return label(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _started(shown: ShownRun) -> Step:
    if shown.run.started_at:
        return Step("Started", shown.run.started_at, is_reached=True)
    if shown.state is RunState.RUNNING:
        return Step("Started", None, "running now", tone="busy", is_reached=True)
    if shown.is_over:
        return Step("Started", None, "never")
    return Step("Started", None, "not pushed yet" if shown.state is RunState.PENDING else "waiting")


def _ended(shown: ShownRun) -> Step:
    run = shown.run
    if run.outcome is None:
        return Step("Ended", None)
    # what was refused or discarded never had a handler; it ended when it would have been pushed
    at_ms = run.handle_time or run.pushed_at or None
    return Step("Ended", at_ms, label(Outcome(run.outcome)), tone(run.outcome), is_reached=True)


def _with_gap(before: Step, step: Step) -> Step:
    if before.at_ms is None or step.at_ms is None:
        return step
    return replace(step, gap_ms=max(0, step.at_ms - before.at_ms))
