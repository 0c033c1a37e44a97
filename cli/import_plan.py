"""What `baton import` does with the jobs it read: compares them with those that are there, and makes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from baton import declarations
from baton.declarations import FROM_IMPORT, STOPPED, Change, Declaration, Difference
from baton.errors import InputError
from baton.foreign import ForeignJob, Left, Reading
from baton.schedule import next_fire
from baton.store import declared as store
from baton.store import groups, jobs
from baton.store.declared import DeclaredJob


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall become of the jobs."""

    source: str
    """Begins their keys: `crontab`, or `crontab/web1`."""
    group: str
    """Where jobs go that name no group."""
    starts: bool
    """Schedules that are followed there are followed here."""
    overwrites: bool
    """Also what operators edited."""

    def name_of(self, key: str) -> str:
        """What a job is declared under."""
        return f"{self.source}/{key}"

    @property
    def changes(self) -> set[Change]:
        """What is made as declared."""
        return {Change.NEW, Change.CHANGED} | ({Change.EDITED} if self.overwrites else set())


@dataclass(frozen=True, slots=True)
class Planned:
    """One job, and what importing it does."""

    job: ForeignJob
    difference: Difference
    fires_ms: int | None
    """When its schedule fires next; None: never, or it has none."""
    starts: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that importing does, and what it leaves."""

    jobs: tuple[Planned, ...]
    left: tuple[Left, ...]

    @property
    def groups(self) -> list[str]:
        """The executor groups that its jobs need."""
        declared = [each.difference.declaration for each in self.jobs]
        return sorted({declaration.group for declaration in declared if declaration})

    @property
    def has_changes(self) -> bool:
        """Whether applying it would do anything."""
        return any(each.starts or each.difference.change is not Change.UNCHANGED for each in self.jobs)

    @property
    def has_problems(self) -> bool:
        """Whether something could not be read."""
        return any(each.is_problem for each in self.left)


def compare(connection: Connection, reading: Reading, wish: Wish, now_ms: int) -> Plan:
    """What applying would do."""
    found, left = declare(reading, wish)
    stored = {str(job.declared_key): job for job in store.all_declared(connection)}
    wanted = store.with_children(connection, [declaration for _, declaration in found])
    planned = []
    for (job, declaration), difference in zip(
        found, declarations.compare(wanted, stored.values(), ()), strict=True
    ):
        fires_ms = next_fire(declarations.schedule_of(declaration.values), now_ms)
        starts = wish.starts and fires_ms is not None and _may_start(job, stored.get(difference.key))
        planned.append(Planned(job, difference, fires_ms, starts))
    return Plan(tuple(planned), tuple(left))


def apply(connection: Connection, reading: Reading, wish: Wish, now_ms: int) -> Plan:
    """Make it so; answers what was done."""
    plan = compare(connection, reading, wish, now_ms)
    for app_name in plan.groups:
        groups.ensure(connection, app_name, reading.groups.get(app_name) or app_name, now_ms)
    for each in plan.jobs:
        if each.difference.change in wish.changes:
            store.apply(connection, each.difference, now_ms)
    store.link_children(connection, [each.difference for each in plan.jobs], now_ms)
    store.check_children(connection)
    ids = {job.declared_key: job.id for job in store.all_declared(connection)}
    for each in plan.jobs:
        if each.starts:
            jobs.follow(connection, ids[each.difference.key], now_ms)
    return plan


def declare(
    reading: Reading, wish: Wish, kind: str = FROM_IMPORT
) -> tuple[list[tuple[ForeignJob, Declaration]], list[Left]]:
    """What each job is declared as, and all that is left out."""
    left = list(reading.left)
    found: dict[str, tuple[ForeignJob, Declaration]] = {}
    for job in reading.jobs:
        try:
            if job.key in found:
                raise InputError(f"the job at {found[job.key][0].place} has the key {job.key!r} already")
            found[job.key] = (job, _declaration(job, wish, kind, ()))
        except InputError as problem:
            left.append(Left.because(job.place, problem))
    return [(job, _declaration(job, wish, kind, found.keys())) for job, _ in found.values()], left


def _declaration(job: ForeignJob, wish: Wish, kind: str, there: Collection[str]) -> Declaration:
    said = {wish.name_of(job.key): {**said_of(job, wish, there), STOPPED: True}}
    (declaration,) = declarations.read_all(kind, said, wish.group)
    return declaration


def said_of(job: ForeignJob, wish: Wish, there: Collection[str]) -> dict[str, Any]:
    """What a job is declared as, with those of its children that are there."""
    children = [wish.name_of(child) for child in job.children if child in there]
    return {**job.said, **({"children": children} if children else {})}


def _may_start(job: ForeignJob, stored: DeclaredJob | None) -> bool:
    if not job.is_active or job.hindrance:
        return False
    # one that a person stopped with a note, or the scheduler with a reason, stays so
    return stored is None or not (stored.is_running or stored.pause_note or stored.stop_reason)
