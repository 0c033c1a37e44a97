"""Trigger jobs: one, or many at a time. The same idempotency key is the same run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask import request
from redis.exceptions import RedisError
from sqlalchemy import Connection

from baton.broker import presence
from baton.store import jobs, triggers
from baton.store.engine import read, write
from baton.store.jobs import JobView
from baton.vocabulary import TriggerType

from .. import audit
from ..queries import run_list
from ..resources import resources
from ..wake import wake_schedulers
from .reading import ADDRESS_LIMIT, KEY_LIMIT, Refused, body, only, param, text

MOST_TRIGGERS = 1_000
_FIELDS = {"param", "executor", "idempotency_key"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One trigger that was asked for."""

    job: JobView
    param: str
    executor: str
    key: str


def create(job_id: int) -> tuple[dict[str, Any], int]:
    """Trigger one job: 201 with the new run, or 200 with the run that this key made before."""
    asked = body()
    header = request.headers.get("Idempotency-Key")
    if header is not None:
        asked = {"idempotency_key": header, **asked}
    only(asked, _FIELDS)
    with read(resources().engine) as connection:
        wanted = _wanted(connection, job_id, asked)
    (made,) = _plan([wanted])
    return made, 201 if made["created"] else 200


def create_many() -> tuple[dict[str, Any], int]:
    """Trigger up to 1,000 jobs in one transaction; each gets an answer of its own, in the same order."""
    asked = body()
    only(asked, {"triggers"})
    items = asked.get("triggers")
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_TRIGGERS:
        message = f"triggers must be a list of 1 to {MOST_TRIGGERS:,} objects."
        raise Refused(422, "bad_value", message, "triggers")
    with read(resources().engine) as connection:
        read_items = [_wanted_or_refused(connection, item) for item in items]
    made = iter(_plan([item for item in read_items if isinstance(item, Wanted)]))
    answers = [next(made) if isinstance(item, Wanted) else {"error": item.to_map()} for item in read_items]
    return {"triggers": answers}, 200


def _wanted_or_refused(connection: Connection, item: Any) -> Wanted | Refused:
    try:
        if not isinstance(item, dict) or not isinstance(item.get("job_id"), int):
            raise Refused(422, "bad_value", "Each trigger is an object with the id of a job.", "job_id")
        only(item, _FIELDS | {"job_id"})
        return _wanted(connection, item["job_id"], item)
    except Refused as problem:
        return problem


def _wanted(connection: Connection, job_id: int, asked: dict[str, Any]) -> Wanted:
    job = jobs.get(connection, job_id) if 0 < job_id <= run_list.LARGEST_ID else None
    if job is None:
        raise Refused(404, "no_such_job", f"There is no job {job_id}.", "job_id")
    override = param(asked)
    key = text(asked, "idempotency_key", KEY_LIMIT)
    return Wanted(
        job,
        job.executor_param if override is None else override,
        _executor(job, text(asked, "executor", ADDRESS_LIMIT)),
        key or uuid.uuid4().hex,
    )


def _executor(job: JobView, executor_id: str | None) -> str:
    if executor_id is None:
        return ""
    try:
        present = [each.executor_id for each in presence.executors(resources().redis, job.app_name)]
    except RedisError:
        raise Refused(
            503, "redis_away", "Redis does not answer, so nobody knows which executors live."
        ) from None
    if executor_id not in present:
        message = f"No executor {executor_id!r} is alive in group {job.app_name!r}."
        raise Refused(422, "no_such_executor", message, "executor")
    return executor_id


def _plan(wanted: list[Wanted]) -> list[dict[str, Any]]:
    """Insert the rows in one transaction, and answer each with its run."""
    now_ms = resources().now_ms()
    answers = []
    with write(resources().engine) as connection:
        for each in wanted:
            key = triggers.key_api(each.key)
            trigger = triggers.of_job(
                each.job, key, TriggerType.API, now_ms, param=each.param, executor_id=each.executor
            )
            is_new = triggers.plan(connection, [trigger], now_ms) == 1
            log_id = triggers.log_id_of(connection, each.job.id, key)
            if is_new:
                audit.record(connection, "job.trigger", f"job {each.job.id}", name=each.job.name, run=log_id)
            answers.append({"job_id": each.job.id, "log_id": log_id, "created": is_new})
    wake_schedulers("trigger.planned")
    return answers
