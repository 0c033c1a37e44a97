"""Reads what rq-scheduler keeps in a user's Redis. Nothing there is changed."""

from __future__ import annotations

from typing import cast

from redis import Redis

from ..foreign.rq_scheduler import ScheduledJob
from .keys import RQ_SCHEDULED, rq_job


def scheduled(redis: Redis) -> list[ScheduledJob]:
    """Every job in its sorted set, the next one first."""
    with redis.pipeline(transaction=False) as pipeline:
        members = cast("list[tuple[bytes, float]]", redis.zrange(RQ_SCHEDULED, 0, -1, withscores=True))
        for member, _ in members:
            pipeline.hgetall(rq_job(member.decode()))
        hashes = pipeline.execute()
    return [
        ScheduledJob(member.decode(), score, {name.decode(): value for name, value in fields.items()})
        for (member, score), fields in zip(members, hashes, strict=True)
    ]
