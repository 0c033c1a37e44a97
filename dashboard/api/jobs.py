"""Jobs, to be found."""

from __future__ import annotations

from typing import Any

from flask import request

from baton.store import jobs
from baton.store.engine import read
from baton.store.jobs import JobFilter, JobView

from ..queries.run_list import row_id
from ..resources import resources
from .reading import Refused

PAGE_ROWS = 100
_SHOWN = (
    "id", "app_name", "name", "description", "schedule_type", "schedule_conf", "time_zone", "route_strategy",
    "block_strategy", "glue_type", "executor_handler", "executor_param", "executor_timeout",
    "executor_fail_retry_count", "is_running", "next_trigger_time", "last_trigger_time", "version",
)  # fmt: skip


def index() -> dict[str, Any]:
    """The newest 100 that fit `?q=`; `next` is the `before` of the next page."""
    before_id = row_id(request.args.get("before", ""))
    with read(resources().engine) as connection:
        wanted = JobFilter(text=request.args.get("q", "").strip())
        found = jobs.list_page(connection, wanted, before_id, PAGE_ROWS + 1)
    shown = found[:PAGE_ROWS]
    return {
        "jobs": [_map(job) for job in shown],
        "next": shown[-1].id if len(found) > PAGE_ROWS else None,
    }


def show(job_id: int) -> dict[str, Any]:
    """One job."""
    with read(resources().engine) as connection:
        job = jobs.get(connection, job_id)
    if job is None:
        raise Refused(404, "no_such_job", f"There is no job {job_id}.")
    return _map(job)


def _map(job: JobView) -> dict[str, Any]:
    return {name: getattr(job, name) for name in _SHOWN}
