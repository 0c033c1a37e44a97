"""What applied results add to the series. Called after the commit: what is done again is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from baton import meters
from baton.broker.results import ResultEntry

from .apply import Applied


def count(entries: Sequence[ResultEntry], applied: Applied, now_ms: int) -> None:
    """Count the rows that `entries` ended, how long they waited and ran, and how old the entries are."""
    group_of = {item.log_id: entry.app_name for entry in entries for item in entry.items}
    endings = Counter((group_of[row.log_id], row.outcome) for row in applied.rows)
    for (app_name, outcome), times in endings.items():
        meters.RUNS.add(times, app_name, outcome)
    for app_name in {app_name for app_name, _ in endings}:
        begun = [row for row in applied.rows if row.started_ms and group_of[row.log_id] == app_name]
        meters.WAIT_SECONDS.observe_all(((row.started_ms - row.due_ms) / 1000 for row in begun), app_name)
        meters.RUN_SECONDS.observe_all(((row.ended_ms - row.started_ms) / 1000 for row in begun), app_name)
    for entry in entries:
        came_ms = int(entry.entry_id.partition("-")[0])
        meters.CALLBACK_LAG_SECONDS.observe((now_ms - came_ms) / 1000, entry.app_name)
    meters.FOLLOWUPS.add(applied.followups)
    meters.CALLBACKS.add(applied.ended, "applied")
    meters.CALLBACKS.add(applied.reruns, "rerun")
    for result in ("repeated", "stale", "rerouted", "unknown", "rejected"):
        meters.CALLBACKS.add(getattr(applied, result), result)
