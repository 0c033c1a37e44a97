"""Declared jobs in the store: found by what declares them, made and changed as declared."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, select, update

from ..children import find_cycle
from ..declarations import Change, Declaration, Difference
from ..errors import InputError, ScheduleError
from ..vocabulary import ScheduleType
from . import followups, groups, jobs
from .jobs import JobDraft, JobView
from .models import Job

_DRAFT = tuple(field.name for field in fields(JobDraft))


def all_declared(connection: Connection) -> list[JobView]:
    """Every job that something declares."""
    ids = connection.execute(select(Job.id).where(Job.declared_key.is_not(None)).order_by(Job.id)).scalars()
    return [job for job_id in ids.all() if (job := jobs.get(connection, job_id))]


def apply(connection: Connection, difference: Difference, now_ms: int) -> None:
    """Make the job as declared. Raises `InputError` if its group is not known."""
    declaration = difference.declaration
    if declaration is None:
        return
    if difference.change is Change.NEW or difference.job_id is None:
        _make(connection, declaration, now_ms)
    else:
        _change(connection, difference.job_id, declaration, now_ms)


def check_children(connection: Connection) -> None:
    """Raise `InputError` if a declared job names a child that is not there, or one that leads back to it."""
    edges = followups.children_of(connection)
    for job in all_declared(connection):
        if unknown := followups.unknown(connection, edges.get(job.id, ())):
            raise InputError(
                f"{job.declared_key}: there is no job {', '.join(map(str, unknown))} to be its child"
            )
        if way := find_cycle(edges, job.id):
            raise InputError(f"{job.declared_key}: its children go round: {' → '.join(map(str, way))}")


def prune(connection: Connection, difference: Difference, now_ms: int) -> bool:
    """Stop a job whose declaration is gone, and let it be a job like any other; its runs stay."""
    if difference.job_id is None:
        return False
    connection.execute(update(Job).where(Job.id == difference.job_id).values(declared_key=None, declared=""))
    return jobs.stop(connection, difference.job_id, now_ms)


def _make(connection: Connection, declaration: Declaration, now_ms: int) -> None:
    draft = JobDraft(group_id=_group_id(connection, declaration), name="", executor_handler="")
    job_id = jobs.create(connection, replace(draft, **_columns(declaration)), now_ms)
    _note(connection, job_id, declaration)
    jobs.follow(connection, job_id, now_ms)


def _change(connection: Connection, job_id: int, declaration: Declaration, now_ms: int) -> None:
    job = jobs.get(connection, job_id)
    if job is None:
        raise InputError(f"job {job_id} was deleted meanwhile; plan again")
    draft = JobDraft(**{**{name: getattr(job, name) for name in _DRAFT}, **_columns(declaration)})
    if "app_name" in declaration.values:
        draft = replace(draft, group_id=_group_id(connection, declaration))
    try:
        is_edited = jobs.edit(connection, job_id, job.version, draft, now_ms)
    except ScheduleError as problem:  # what is declared and what is stored beside it do not go together
        raise InputError(f"{declaration.key}: {problem}") from None
    if not is_edited:
        raise InputError(f"somebody edits job {job_id} at this moment; plan again")
    _note(connection, job_id, declaration)
    if job.schedule_type == ScheduleType.NONE:
        jobs.follow(connection, job_id, now_ms)  # nobody stopped what had no schedule


def _columns(declaration: Declaration) -> dict[str, Any]:
    return {name: value for name, value in declaration.values.items() if name in _DRAFT}


def _group_id(connection: Connection, declaration: Declaration) -> int:
    known = {group.app_name: group.id for group in groups.all_groups(connection)}
    if declaration.group not in known:
        raise InputError(
            f"{declaration.key}: there is no executor group {declaration.group!r}; "
            f"there are: {', '.join(sorted(known)) or 'none'}"
        )
    return known[declaration.group]


def _note(connection: Connection, job_id: int, declaration: Declaration) -> None:
    values = {"declared_key": declaration.key, "declared": declaration.to_json()}
    connection.execute(update(Job).where(Job.id == job_id).values(**values))
