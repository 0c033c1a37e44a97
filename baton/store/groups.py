"""Executor groups: the sets of executors that jobs run on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from .bulk import insert_many
from .models import ExecutorGroup

_ENSURE = insert_many(ExecutorGroup.__table__, ("app_name", "title", "created_at"))
_ID_OF = select(ExecutorGroup.id)
_ALL = select(
    ExecutorGroup.id, ExecutorGroup.app_name, ExecutorGroup.title, ExecutorGroup.created_at
).order_by(ExecutorGroup.app_name)


@dataclass(frozen=True, slots=True)
class GroupView:
    """One executor group."""

    id: int
    app_name: str
    title: str
    created_at: int


def ensure(connection: Connection, app_name: str, title: str, now_ms: int) -> int:
    """The id of the group that executors register under as `app_name`; made if there is none."""
    _ENSURE.execute(connection, [(app_name, title, now_ms)])
    return connection.execute(_ID_OF.where(ExecutorGroup.app_name == app_name)).scalar_one()


def all_groups(connection: Connection) -> list[GroupView]:
    """Every group, in the order of their names."""
    return [GroupView(*row) for row in connection.execute(_ALL)]
