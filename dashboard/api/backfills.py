"""Plan fire times of the past that had no run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from baton.errors import InputError
from baton.store import backfill, jobs
from baton.store.engine import write
from baton.store.jobs import JobView

from .. import audit
from ..resources import resources
from ..wake import wake_schedulers
from .reading import Refused, body, only

_FIELDS = {"from", "to", "dry_run"}


def create(job_id: int) -> dict[str, Any]:
    """A run for each fire time from `from` up to `to` that had none; with `dry_run` they are only named."""
    asked = body()
    only(asked, _FIELDS)
    is_dry = asked.get("dry_run", False)
    if not isinstance(is_dry, bool):
        raise Refused(422, "bad_value", "dry_run is true or false.", "dry_run")
    now_ms = resources().now_ms()
    act = backfill.look if is_dry else backfill.plan
    with write(resources().engine) as connection:
        job = jobs.get(connection, job_id)
        if job is None:
            raise Refused(404, "no_such_job", f"There is no job {job_id}.")
        begin_ms = _moment(asked, "from", job, None)
        end_ms = _moment(asked, "to", job, now_ms)
        try:
            found = act(connection, job_id, begin_ms, end_ms, now_ms)
        except InputError as problem:
            raise Refused(422, "bad_value", f"{problem}.") from None
        if found.missing and not is_dry:
            audit.record(connection, "job.backfill", f"job {job_id}", name=job.name, runs=len(found.missing))
    if not is_dry:
        wake_schedulers("backfill.planned")
    return {"planned": not is_dry, "fire_times": list(found.missing), "had_their_run": len(found.present)}


def _moment(asked: dict[str, Any], name: str, job: JobView, otherwise: int | None) -> int:
    """Epoch milliseconds, or a wall-clock time of the job's zone as text."""
    value = asked.get(name, otherwise)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        message = f"{name} is epoch milliseconds, or a moment as 2026-11-01T08:30."
        raise Refused(422, "bad_value", message, name)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(job.time_zone))
    return int(moment.timestamp() * 1000)
