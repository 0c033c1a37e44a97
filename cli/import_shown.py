"""What `baton import` prints: what it would do, or did, and what it leaves."""

from __future__ import annotations

import json
from typing import Any

from baton.declarations import Change
from baton.foreign import ForeignJob, Left

from . import declared
from .import_plan import Plan, Planned
from .printing import wall_time
from .remarks import printable


def show(plan: Plan, *, as_json: bool) -> None:
    """Print it, as lines for people or as JSON."""
    if as_json:
        found = {
            "jobs": [_map(each) for each in plan.jobs],
            "left": [_map_of_left(each) for each in plan.left],
        }
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in plan.jobs:
        if each.difference.change is not Change.UNCHANGED or each.starts:
            declared.show_one(each.difference)
            for line in _remarks(each):
                print(f"    # {printable(line)}")
    for left in plan.left:
        show_left(left)
    print(_counts(plan))


def show_left(left: Left) -> None:
    """One thing that is not taken over."""
    print(f"{'?' if left.is_problem else '.'} {printable(left.place)}: {printable(left.reason)}")


def _remarks(planned: Planned) -> list[str]:
    job, fires = planned.job, _fires_next(planned)
    fires = f"fires {fires}; " if fires else ""
    return [f"{job.place}: {job.expression}; {fires}{_becomes(planned)}", *remarks(job)]


def remarks(job: ForeignJob) -> list[str]:
    """What people should know before they start it."""
    hindrance = [f"do not start it as it is: {job.hindrance}"] if job.hindrance else []
    return [*hindrance, *job.notes]


def _becomes(planned: Planned) -> str:
    if planned.starts:
        return "is started"
    if planned.difference.change is not Change.NEW:
        return "its schedule is followed or not, as before"
    return "stopped" if planned.job.is_active else "stopped, as it is there"


def _fires_next(planned: Planned) -> str:
    """When its schedule fires next, by the clock of its zone; empty without a schedule."""
    declaration = planned.difference.declaration
    if declaration is None or "schedule_type" not in declaration.values:
        return ""
    zone_name = declaration.values.get("time_zone", "UTC")
    return "never again" if planned.fires_ms is None else wall_time(planned.fires_ms, zone_name)


def _counts(plan: Plan) -> str:
    changes = [each.difference.change for each in plan.jobs]
    counts = {str(change): changes.count(change) for change in Change}
    counts["to start"] = sum(each.starts for each in plan.jobs)
    counts["left out"] = sum(not each.is_problem for each in plan.left)
    counts["not understood"] = sum(each.is_problem for each in plan.left)
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "there is nothing in it"


def _map(each: Planned) -> dict[str, Any]:
    return {
        **declared.to_map(each.difference),
        "place": each.job.place,
        "expression": each.job.expression,
        "fires_next": _fires_next(each),
        "is_active": each.job.is_active,
        "starts": each.starts,
        "hindrance": each.job.hindrance,
        "notes": each.job.notes,
    }


def _map_of_left(left: Left) -> dict[str, Any]:
    return {"place": left.place, "reason": left.reason, "is_problem": left.is_problem}
