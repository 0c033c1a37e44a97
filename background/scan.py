"""Looks for broken invariants once a minute, clears leftovers away, and tells of what stays."""

from __future__ import annotations

from baton import telemetry
from baton.scanner.look import look
from baton.scanner.repair import is_leftover, repair
from baton.scanner.telling import tell

from .here import here


def scan(_period_ms: int) -> int:
    """Scan once; answers how many findings there are."""
    place = here()
    redis = place.queue.connection
    report = look(
        place.engine, redis, by_whom="the background process", grace_s=place.grace_s, clock=place.clock
    )
    findings = [each for each in report.findings if not is_leftover(each)]
    if findings:
        checks = ", ".join(sorted({each.check_name for each in findings}))
        telemetry.warning("scan.found", findings=len(findings), checks=checks)
    else:
        telemetry.detail("scan.done", rows=report.scan.rows, keys=report.scan.keys)
    tell(place.engine, findings, clock=place.clock)
    repair(redis, [each for each in report.findings if is_leftover(each)])
    return len(findings)
