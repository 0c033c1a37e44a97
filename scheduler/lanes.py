"""From rows to lanes: who may run a row, and which of them shall.

A row with ANY goes to the shared lane of its job, or to the lane of the job's tag. A pinned row goes
to its executor or is refused. A broadcast is spread first, in SQL: one row for each executor, each
pinned to one. Every other row goes to the executor that its job's route strategy names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis import Redis

from baton.broker import routes
from baton.broker.keys import lane_of
from baton.broker.presence import ExecutorInfo
from baton.store.runs import PendingRow
from baton.vocabulary import RouteStrategy, TriggerType

from . import routing


@dataclass(slots=True)
class Lanes:
    """What was decided about some rows."""

    chosen: dict[int, str] = field(default_factory=dict)
    """Log id -> lane."""
    refused: dict[int, str] = field(default_factory=dict)
    """Log id -> why nobody can run it."""
    to_spread: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Log id of a broadcast -> the executors that get a shard."""


def choose_lanes(
    redis: Redis, app_name: str, rows: Sequence[PendingRow], executors: Sequence[ExecutorInfo]
) -> Lanes:
    """Decide for rows of one group, given its executors, and remember what was decided."""
    lanes = Lanes()
    to_route: defaultdict[int, list[PendingRow]] = defaultdict(list)
    for row in rows:
        if row.is_pinned:
            _to_its_executor(row, app_name, executors, lanes)
        elif row.route_strategy == RouteStrategy.ANY:
            lanes.chosen[row.log_id] = lane_of(row.job_id, tag=row.executor_tag)
        else:
            to_route[row.job_id].append(row)
    if to_route:
        _route(redis, app_name, to_route, executors, lanes)
    return lanes


def lane_pushed_to(row: PendingRow) -> str:
    """The lane of a row that was pushed, as the facts of its push say."""
    return row.lane or lane_of(row.job_id)


def _to_its_executor(row: PendingRow, app_name: str, executors: Sequence[ExecutorInfo], lanes: Lanes) -> None:
    if any(each.executor_id == row.executor_address for each in executors):
        lanes.chosen[row.log_id] = lane_of(row.job_id, executor_id=row.executor_address)
    else:
        lanes.refused[row.log_id] = (
            f"executor {row.executor_address!r}, which alone may run this, is not alive in group {app_name!r}"
        )


def _route(
    redis: Redis,
    app_name: str,
    by_job: dict[int, list[PendingRow]],
    executors: Sequence[ExecutorInfo],
    lanes: Lanes,
) -> None:
    remembered = routes.read(redis, app_name, list(by_job), [each.executor_id for each in executors])
    for job_id, rows in by_job.items():
        job = remembered[job_id]
        for row in rows:
            candidates = _candidates(row, executors)
            if not candidates:
                lanes.refused[row.log_id] = _nobody(row, app_name)
            elif _is_to_be_spread(row):
                lanes.to_spread[row.log_id] = tuple(candidates)
            else:
                executor_id = routing.choose(row.route_strategy, job_id, candidates, job)
                job.note(executor_id)
                lanes.chosen[row.log_id] = lane_of(job_id, executor_id=executor_id)
    routes.write(redis, app_name, remembered)


def _candidates(row: PendingRow, executors: Sequence[ExecutorInfo]) -> list[str]:
    return [
        each.executor_id
        for each in executors
        if each.state == "running" and (not row.executor_tag or row.executor_tag in each.tags)
    ]


def _is_to_be_spread(row: PendingRow) -> bool:
    # the retry of a shard is that shard again, not the whole broadcast
    return row.route_strategy == RouteStrategy.SHARDING_BROADCAST and row.trigger_type != TriggerType.RETRY


def _nobody(row: PendingRow, app_name: str) -> str:
    tag = f" with the tag {row.executor_tag!r}" if row.executor_tag else ""
    return (
        f"address empty: no executor{tag} of group {app_name!r} takes work, "
        f"and route strategy {row.route_strategy} needs one"
    )
