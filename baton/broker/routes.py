"""What routing remembers between two triggers of a job, for all schedulers alike.

The counts are XXL-JOB's: how many triggers of a job each executor got, and when it got the last
one. They are forgotten a day after the job's last trigger, so that an executor that was away
does not get everything when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from .keys import GroupKeys, lane_of

_KEPT_S = 24 * 3600


@dataclass(slots=True)
class JobRoutes:
    """Where the triggers of one job went, and where it is busy."""

    turns: int = 0
    """How many triggers of it were routed."""
    uses: dict[str, int] = field(default_factory=dict)
    """Executor -> triggers it got."""
    last: dict[str, int] = field(default_factory=dict)
    """Executor -> turn of the last trigger it got."""
    busy: set[str] = field(default_factory=set)
    """Executors on which the job runs or waits."""

    def note(self, executor_id: str) -> None:
        """A trigger goes there."""
        self.turns += 1
        self.uses[executor_id] = self.uses.get(executor_id, 0) + 1
        self.last[executor_id] = self.turns
        self.busy.add(executor_id)


def read(
    redis: Redis, app_name: str, job_ids: Sequence[int], executor_ids: Sequence[str]
) -> dict[int, JobRoutes]:
    """What is remembered of these jobs, and on which of these executors they are busy; one round trip."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(keys.named("turns"), str(job_id))
            pipeline.hgetall(keys.uses(job_id))
            pipeline.hgetall(keys.last(job_id))
            for executor_id in executor_ids:
                lane = lane_of(job_id, executor_id=executor_id)
                pipeline.hexists(keys.named("running"), lane)
                pipeline.exists(keys.queue(lane))
        answers = iter(pipeline.execute())
    return {job_id: _routes(answers, executor_ids) for job_id in job_ids}


def write(redis: Redis, app_name: str, routes: Mapping[int, JobRoutes]) -> None:
    """Remember. Two schedulers at once may count one trigger less: routes need no more than that."""
    keys = GroupKeys(app_name)
    with redis.pipeline(transaction=False) as pipeline:
        for job_id, job in routes.items():
            if not job.turns:
                continue
            pipeline.hset(keys.named("turns"), str(job_id), str(job.turns))
            for key, values in ((keys.uses(job_id), job.uses), (keys.last(job_id), job.last)):
                pipeline.hset(key, mapping={executor: str(value) for executor, value in values.items()})
                pipeline.expire(key, _KEPT_S)
        pipeline.execute()


def _routes(answers: Any, executor_ids: Sequence[str]) -> JobRoutes:
    turns, uses, last = next(answers), next(answers), next(answers)
    busy = {executor_id for executor_id in executor_ids if [next(answers), next(answers)] != [0, 0]}
    return JobRoutes(int(turns or 0), _numbers(uses), _numbers(last), busy)


def _numbers(raw: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in raw.items()}
