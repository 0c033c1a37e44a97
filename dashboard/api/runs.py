"""What became of a run."""

from __future__ import annotations

import json
from typing import Any

from baton.store import runs
from baton.store.engine import read

from ..resources import resources
from .reading import Refused

_SHOWN = (
    "log_id", "job_id", "app_name", "job_name", "trigger_type", "fire_at", "trigger_time", "attempt",
    "shard_index", "shard_total", "executor_address", "executor_handler", "executor_param", "trigger_code",
    "handle_code", "handle_msg", "started_at", "handle_time", "parent_log_id",
)  # fmt: skip


def show(log_id: int) -> dict[str, Any]:
    """One run: times in epoch milliseconds, 0 for what has not happened."""
    with read(resources().engine) as connection:
        run = runs.get(connection, log_id)
    if run is None:
        raise Refused(404, "no_such_run", f"There is no run {log_id}.")
    return {
        **{name: getattr(run, name) for name in _SHOWN},
        "state": str(run.state),
        "result": json.loads(run.result) if run.result else None,
    }
