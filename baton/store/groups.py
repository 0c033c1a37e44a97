"""Executor groups: the sets of executors that jobs run on."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, select, update

from .bulk import insert_many
from .models import ExecutorGroup

_ENSURE = insert_many(ExecutorGroup.__table__, ("app_name", "title", "created_at"))
_ID_OF = select(ExecutorGroup.id)


@dataclass(frozen=True, slots=True)
class GroupView:
    """One executor group."""

    id: int
    app_name: str
    title: str
    created_at: int
    keep_days: int | None
    keep_failed_days: int | None
    keep_runs: int | None
    """How long its runs are kept (`retention.Keep`); None: as the installation has it."""


_ALL = select(*(ExecutorGroup.__table__.c[field.name] for field in fields(GroupView)))


def ensure(connection: Connection, app_name: str, title: str, now_ms: int) -> int:
    """The id of the group that executors register under as `app_name`; made if there is none."""
    _ENSURE.execute(connection, [(app_name, title, now_ms)])
    return connection.execute(_ID_OF.where(ExecutorGroup.app_name == app_name)).scalar_one()


def all_groups(connection: Connection) -> list[GroupView]:
    """Every group, in the order of their names."""
    return [GroupView(*row) for row in connection.execute(_ALL.order_by(ExecutorGroup.app_name))]


def get(connection: Connection, group_id: int) -> GroupView | None:
    """One group, or None."""
    row = connection.execute(_ALL.where(ExecutorGroup.id == group_id)).one_or_none()
    return GroupView(*row) if row else None


def edit(
    connection: Connection,
    group_id: int,
    *,
    title: str,
    keep_days: int | None,
    keep_failed_days: int | None,
    keep_runs: int | None,
) -> bool:
    """Change what people may change; its app name is what executors know. False if it is gone."""
    rule = {"keep_days": keep_days, "keep_failed_days": keep_failed_days, "keep_runs": keep_runs}
    statement = update(ExecutorGroup).where(ExecutorGroup.id == group_id).values(title=title, **rule)
    return connection.execute(statement).rowcount == 1
