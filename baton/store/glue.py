"""Sources of script jobs and their history. The newest version of a job is what its next run gets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from sqlalchemy import Connection, delete, func, insert, select

from .models import GlueVersion, Job

KEPT_VERSIONS = 30

_TABLE = GlueVersion.__table__


@dataclass(frozen=True, slots=True)
class GlueVersionView:
    """One version of a source."""

    id: int
    job_id: int
    glue_type: str
    source: str
    remark: str
    created_by: str
    created_at: int


_ALL = select(*(_TABLE.c[field.name] for field in fields(GlueVersionView)))


def save(
    connection: Connection, job_id: int, expected_id: int, source: str, remark: str, by: str, now_ms: int
) -> int | None:
    """Make this the source of a job; answers the new version's id.

    `expected_id` is the version the person saw, 0 for none: None if somebody else saved one meanwhile,
    or the job is gone. The oldest of more than 30 versions go.
    """
    # the job's row is the lock: two people who save at once must see each other
    job = select(Job.glue_type, Job.updated_at).where(Job.id == job_id).with_for_update()
    row = connection.execute(job).one_or_none()
    if row is None:
        return None
    newest = current(connection, job_id)
    if (newest.id if newest else 0) != expected_id:
        return None
    # the update time tells versions apart, so it only grows
    created_at = max(now_ms, newest.created_at + 1) if newest else now_ms
    values = {
        "job_id": job_id, "glue_type": row.glue_type, "source": source, "remark": remark,
        "created_by": by[:64], "created_at": created_at,
    }  # fmt: skip
    version_id = connection.execute(insert(GlueVersion).values(values).returning(GlueVersion.id)).scalar_one()
    kept = select(GlueVersion.id).where(GlueVersion.job_id == job_id).order_by(GlueVersion.id.desc())
    oldest_kept = connection.execute(kept.offset(KEPT_VERSIONS - 1).limit(1)).scalar()
    if oldest_kept is not None:
        connection.execute(
            delete(GlueVersion).where(GlueVersion.job_id == job_id, GlueVersion.id < oldest_kept)
        )
    return version_id


def current(connection: Connection, job_id: int) -> GlueVersionView | None:
    """The source of a job; None if it has none yet."""
    statement = _ALL.where(GlueVersion.job_id == job_id).order_by(GlueVersion.id.desc()).limit(1)
    row = connection.execute(statement).one_or_none()
    return GlueVersionView(*row) if row else None


def current_of(connection: Connection, job_ids: Collection[int]) -> dict[int, GlueVersionView]:
    """The sources of several jobs."""
    newest = (
        select(func.max(GlueVersion.id)).where(GlueVersion.job_id.in_(job_ids)).group_by(GlueVersion.job_id)
    )
    rows = connection.execute(_ALL.where(GlueVersion.id.in_(newest)))
    return {row.job_id: GlueVersionView(*row) for row in rows}


def get(connection: Connection, version_id: int) -> GlueVersionView | None:
    """One version, or None."""
    row = connection.execute(_ALL.where(GlueVersion.id == version_id)).one_or_none()
    return GlueVersionView(*row) if row else None


def history(connection: Connection, job_id: int) -> list[GlueVersionView]:
    """All versions of a job, the newest first."""
    rows = connection.execute(_ALL.where(GlueVersion.job_id == job_id).order_by(GlueVersion.id.desc()))
    return [GlueVersionView(*row) for row in rows]


def delete_of(connection: Connection, job_id: int) -> None:
    """Forget all versions of a job."""
    connection.execute(delete(GlueVersion).where(GlueVersion.job_id == job_id))
