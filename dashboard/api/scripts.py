"""The script of a job, for programs whose token was made for scripts."""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import Connection

from baton.errors import InputError
from baton.script_source import check_source
from baton.store import glue, jobs
from baton.store.engine import read, write
from baton.store.glue import GlueVersionView
from baton.store.jobs import JobView
from baton.vocabulary import GlueType

from .. import audit
from ..resources import resources
from .reading import Refused, body, only, text

REMARK_LIMIT = 100
_LARGEST_ID = 2**63 - 1


def show(job_id: int) -> dict[str, Any]:
    """The newest version; `version` 0 and no source if there is none."""
    with read(resources().engine) as connection:
        job = _script_job(connection, job_id)
        return _map(job, glue.current(connection, job_id))


def save(job_id: int) -> dict[str, Any]:
    """Make `source` the newest version, unless it is not `version` any more that it replaces."""
    asked = body()
    only(asked, {"source", "remark", "version"})
    source, remark, seen_id = _source(asked), text(asked, "remark", REMARK_LIMIT), _version(asked)
    if remark is None:
        raise Refused(422, "bad_value", "remark says what changed, in a line.", "remark")
    with write(resources().engine) as connection:
        job = _script_job(connection, job_id)
        by, now_ms = str(g.person), resources().now_ms()
        version_id = glue.save(connection, job_id, seen_id, source, remark, by, now_ms)
        newest = glue.current(connection, job_id)
        if version_id is None:
            message = f"The newest version is {newest.id if newest else 0} by now; look at it first."
            raise Refused(409, "changed_meanwhile", message, "version")
        audit.record(
            connection, "job.script", f"job {job_id}", name=job.name, version=version_id, remark=remark
        )
    return _map(job, newest)


def _script_job(connection: Connection, job_id: int) -> JobView:
    job = jobs.get(connection, job_id)
    if job is None:
        raise Refused(404, "no_such_job", f"There is no job {job_id}.")
    if not GlueType(job.glue_type).is_script:
        raise Refused(409, "no_script_job", f"Job {job_id} runs no script: its type is {job.glue_type}.")
    return job


def _source(asked: dict[str, Any]) -> str:
    source = asked.get("source")
    if not isinstance(source, str):
        raise Refused(422, "bad_value", "source is the text of the script.", "source")
    try:
        return check_source(source)
    except InputError as problem:
        raise Refused(422, "bad_value", f"{problem}.", "source") from None


def _version(asked: dict[str, Any]) -> int:
    version = asked.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version <= _LARGEST_ID:
        message = "version is the one that this replaces, as it was read; 0 if there was none."
        raise Refused(422, "bad_value", message, "version")
    return version


def _map(job: JobView, newest: GlueVersionView | None) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "glue_type": newest.glue_type if newest else job.glue_type,
        "version": newest.id if newest else 0,
        "source": newest.source if newest else "",
        "remark": newest.remark if newest else "",
        "created_by": newest.created_by if newest else "",
        "created_at": newest.created_at if newest else 0,
    }
