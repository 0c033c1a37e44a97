"""What the last scan for broken invariants says, check by check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from baton.scanner.check import Check
from baton.scanner.checks import BY_NAME, CHECKS
from baton.store import anomalies, findings, runs
from baton.store.findings import FindingView, ScanView

OUTDATED_MS = 5 * 60_000
"""Scans come once a minute: so long without one, and nobody scans."""


@dataclass(frozen=True, slots=True)
class BrokenCheck:
    """An invariant, and where it is broken."""

    check: Check
    findings: tuple[FindingView, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """Everything on the page."""

    scan: ScanView | None
    """None: nobody has scanned yet."""
    is_outdated: bool
    broken: tuple[BrokenCheck, ...]
    suspected: int
    """What was seen and does not count yet."""
    runs: frozenset[int]
    jobs: frozenset[int]
    """Of those that findings name: the ones that have a page."""
    checks: int = len(CHECKS)

    @property
    def count(self) -> int:
        """How many findings there are."""
        return sum(len(each.findings) for each in self.broken)


def look(connection: Connection, now_ms: int) -> Health:
    """Ask what is remembered of the last scan."""
    seen = findings.everything(connection)
    confirmed = [each for each in seen if each.is_confirmed and each.check_name in BY_NAME]
    scan = findings.last_scan(connection)
    return Health(
        scan=scan,
        is_outdated=scan is not None and now_ms - scan.began_at > OUTDATED_MS,
        broken=tuple(_broken(confirmed)),
        suspected=sum(not each.is_confirmed for each in seen),
        runs=frozenset(runs.states(connection, [each.log_id for each in confirmed])),
        jobs=frozenset(anomalies.existing_jobs(connection, {each.job_id for each in confirmed})),
    )


def _broken(confirmed: Sequence[FindingView]) -> list[BrokenCheck]:
    order = list(BY_NAME)
    ordered = sorted(confirmed, key=lambda each: (order.index(each.check_name), each.first_seen, each.id))
    return [
        BrokenCheck(BY_NAME[name], tuple(found))
        for name, found in groupby(ordered, key=lambda each: each.check_name)
    ]
