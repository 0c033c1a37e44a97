"""What a row says about its push: the facts, as JSON in `trigger_msg`."""

from __future__ import annotations

import json

from baton.store import runs


class TriggerMessages:
    """`trigger_msg`: the facts of one push as JSON. Rows that differ in their lane share all but that."""

    def __init__(self, host: str, executors: int) -> None:
        self._host = host
        self._executors = executors
        self._beginnings: dict[tuple[object, ...], str] = {}

    def of(self, row: runs.PendingRow, lane: str) -> str:
        """The facts of one row."""
        facts = (
            row.trigger_type, row.route_strategy, row.block_strategy,
            row.executor_timeout, row.executor_fail_retry_count,
        )  # fmt: skip
        beginning = self._beginnings.get(facts)
        if beginning is None:
            beginning = self._beginnings[facts] = self._written(*facts)[:-1]
        return f'{beginning},"lane":{json.dumps(lane)}}}'

    def _written(self, trigger_type: str, route: str, block: str, timeout: int, retries: int) -> str:
        facts: dict[str, object] = {
            "trigger_type": trigger_type,
            "scheduler": self._host,
            "route_strategy": route,
            "block_strategy": block,
            "executor_timeout": timeout,
            "executor_fail_retry_count": retries,
            "executors": self._executors,
        }
        if self._executors == 0:
            facts["note"] = "no executor listens"
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
