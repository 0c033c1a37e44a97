"""Declared jobs in the store: found by what declares them, made and changed as declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, select, update

from ..children import find_cycle
from ..declarations import CHANNELS, Change, Declaration, Difference, compare
from ..declarations import with_children as with_child_ids
from ..errors import InputError, ScheduleError
from ..script_source import in_short
from ..vocabulary import ScheduleType
from . import alarm_channels, followups, glue, groups, jobs
from .glue import GlueVersionView
from .jobs import JobDraft, JobView
from .models import Job

_DRAFT = tuple(field.name for field in fields(JobDraft))
_REMARK_LIMIT = 128


@dataclass(frozen=True, slots=True)
class DeclaredJob(JobView):
    """A job that something declares, and its script."""

    script: str = ""
    """Its source, in short; empty if it has none."""


def all_declared(connection: Connection) -> list[DeclaredJob]:
    """Every job that something declares."""
    ids = connection.execute(select(Job.id).where(Job.declared_key.is_not(None)).order_by(Job.id)).scalars()
    found = [job for job_id in ids.all() if (job := jobs.get(connection, job_id))]
    scripts = glue.current_of(connection, [job.id for job in found])
    return [_with_script(job, scripts.get(job.id)) for job in found]


def _with_script(job: JobView, newest: GlueVersionView | None) -> DeclaredJob:
    # what was written for another language is no script of this job
    is_its = newest is not None and newest.glue_type == job.glue_type
    script = in_short(newest.source) if newest is not None and is_its else ""
    return DeclaredJob(**{field.name: getattr(job, field.name) for field in fields(job)}, script=script)


def with_channels(connection: Connection, declarations: Iterable[Declaration]) -> list[Declaration]:
    """The same, with the ids of alarm channels for their names; raises `InputError` for unknown ones."""
    ids = {channel.name: channel.id for channel in alarm_channels.all_channels(connection)}
    problems: list[str] = []
    found = [_with_channel_ids(each, ids, problems) for each in declarations]
    if problems:
        raise InputError(*problems)
    return found


def _with_channel_ids(declaration: Declaration, ids: Mapping[str, int], problems: list[str]) -> Declaration:
    if CHANNELS not in declaration.values:
        return declaration
    rest = {name: value for name, value in declaration.values.items() if name != CHANNELS}
    names = declaration.values[CHANNELS]
    known = ", ".join(sorted(ids)) or "none"
    problems += [
        f"{declaration.key}: there is no alarm channel {name!r}; there are: {known}"
        for name in names
        if name not in ids
    ]
    chosen = ",".join(str(ids[name]) for name in names if name in ids)
    return replace(declaration, values={**rest, "alarm_channel_ids": chosen})


def apply(connection: Connection, difference: Difference, now_ms: int) -> None:
    """Make the job as declared. Raises `InputError` if its group is not known."""
    declaration = difference.declaration
    if declaration is None:
        return
    if difference.change is Change.NEW or difference.job_id is None:
        _make(connection, declaration, now_ms)
    else:
        _change(connection, difference.job_id, declaration, now_ms)


def with_children(connection: Connection, declarations: Sequence[Declaration]) -> list[Declaration]:
    """The same, with the ids of children that are named and made already; raises `InputError`."""
    return with_child_ids(declarations, _ids_by_key(connection))


def link_children(connection: Connection, made: Iterable[Difference], now_ms: int) -> None:
    """Give their children to those jobs whose children were made only after them."""
    parents = [each.declaration for each in made if each.declaration and each.declaration.children]
    for difference in compare(with_children(connection, parents), all_declared(connection), ()):
        if difference.change is Change.CHANGED:
            apply(connection, difference, now_ms)


def _ids_by_key(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(Job.declared_key, Job.id).where(Job.declared_key.is_not(None)))
    return {str(key): job_id for key, job_id in rows}


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
    _save_script(connection, job_id, declaration, now_ms)
    _note(connection, job_id, declaration)
    if not declaration.is_stopped:
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
    _save_script(connection, job_id, declaration, now_ms)
    _note(connection, job_id, declaration)
    if job.schedule_type == ScheduleType.NONE and not declaration.is_stopped:
        jobs.follow(connection, job_id, now_ms)  # nobody stopped what had no schedule


def _save_script(connection: Connection, job_id: int, declaration: Declaration, now_ms: int) -> None:
    """Make the declared script the newest version, unless it is."""
    if not declaration.source:
        return
    newest = glue.current(connection, job_id)
    is_there = newest is not None and newest.glue_type == declaration.values["glue_type"]
    if newest is not None and is_there and newest.source == declaration.source:
        return
    remark = f"declared by {declaration.key}"[:_REMARK_LIMIT]
    seen_id = newest.id if newest else 0
    if not glue.save(connection, job_id, seen_id, declaration.source, remark, "baton apply", now_ms):
        raise InputError(f"somebody writes the script of job {job_id} at this moment; plan again")


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
