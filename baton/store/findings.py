"""What the invariant scanner saw: a row for each broken invariant while it is seen, confirmed or not.

A row goes when a scan does not see it any more. The table is small: nothing wrong, no row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, delete, select, update

from .bulk import insert_many
from .models import Finding, Scan

_TABLE = Finding.__table__
_THE_ONE = 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """A broken invariant as one look saw it."""

    check_name: str
    app_name: str
    """Empty for what belongs to no group."""
    subject: str
    """The run, lane, executor, job, entry or key it is about."""
    evidence: str
    """The facts, without anything that changes while nothing happens."""
    log_id: int = 0
    job_id: int = 0
    executor_id: str = ""
    lane: str = ""


@dataclass(frozen=True, slots=True)
class FindingView(Sighting):
    """A sighting that is remembered."""

    id: int = 0
    first_seen: int = 0
    last_seen: int = 0
    sightings: int = 1
    mark: str = ""
    """The newest result right after it was first seen."""
    is_confirmed: bool = False
    """It was there twice, and long enough apart: it counts."""
    is_told: bool = False
    """People were told that there are such findings."""


@dataclass(frozen=True, slots=True)
class ScanView:
    """The last scan."""

    began_at: int
    took_ms: int
    by_whom: str
    rows: int
    """Runs that were looked at."""
    keys: int
    reached: Mapping[str, int]
    """Group -> the run up to which its unfinished ones were walked through."""


_FIELDS = tuple(field.name for field in fields(FindingView))
_ALL = select(*(_TABLE.c[name] for name in _FIELDS)).order_by(Finding.check_name, Finding.id)
_GIVEN = tuple(name for name in _FIELDS if name != "id")
_INSERT = insert_many(Finding.__table__, _GIVEN)
_OF_SCANS = tuple(field.name for field in fields(ScanView))
_FIRST_SCAN = insert_many(Scan.__table__, ("id", *_OF_SCANS))


def everything(connection: Connection) -> list[FindingView]:
    """All that was seen by the last scan, by check."""
    return [FindingView(*row) for row in connection.execute(_ALL)]


def confirmed(connection: Connection) -> list[FindingView]:
    """What counts, by check."""
    return [FindingView(*row) for row in connection.execute(_ALL.where(Finding.is_confirmed))]


def add(connection: Connection, seen: Sequence[FindingView]) -> None:
    """Remember what was seen for the first time; what another scanner has written meanwhile is left out."""
    _INSERT.execute(connection, [tuple(getattr(each, name) for name in _GIVEN) for each in seen])


def change(connection: Connection, seen: Sequence[FindingView]) -> None:
    """Remember what was seen again."""
    for each in seen:
        values = {name: getattr(each, name) for name in _GIVEN}
        connection.execute(update(Finding).where(Finding.id == each.id).values(values))


def forget(connection: Connection, finding_ids: Collection[int]) -> None:
    """They were not seen any more."""
    if finding_ids:
        connection.execute(delete(Finding).where(Finding.id.in_(finding_ids)))


def mark_told(connection: Connection, finding_ids: Collection[int]) -> None:
    """People know of them."""
    connection.execute(update(Finding).where(Finding.id.in_(finding_ids)).values(is_told=True))


def last_scan(connection: Connection) -> ScanView | None:
    """The newest scan; None if there was none."""
    columns = [Scan.__table__.c[name] for name in _OF_SCANS]
    row = connection.execute(select(*columns).where(Scan.id == _THE_ONE)).mappings().one_or_none()
    return ScanView(**{**row, "reached": json.loads(row["reached"])}) if row else None


def note_scan(connection: Connection, scan: ScanView) -> None:
    """It takes the place of the last one, and holds up whoever else is noting one."""
    values: dict[str, Any] = {field.name: getattr(scan, field.name) for field in fields(scan)}
    values["reached"] = json.dumps(dict(scan.reached))
    _FIRST_SCAN.execute(connection, [(_THE_ONE, *(values[name] for name in _OF_SCANS))])
    connection.execute(update(Scan).where(Scan.id == _THE_ONE).values(values))
