"""Puts findings right where that is safe; what it did is seen by the next look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from redis import Redis

from .. import telemetry
from ..store.findings import FindingView
from .checks import BY_NAME


def is_repairable(finding: FindingView) -> bool:
    """Whether a repair exists."""
    check = BY_NAME.get(finding.check_name)
    return check is not None and check.repair is not None


def is_leftover(finding: FindingView) -> bool:
    """Whether it goes without being asked for."""
    check = BY_NAME.get(finding.check_name)
    return check is not None and check.is_leftover


def repair(redis: Redis, findings: Sequence[FindingView]) -> int:
    """Repair those that can be; answers how many that are."""
    to_do: defaultdict[tuple[str, str], list[FindingView]] = defaultdict(list)
    for finding in findings:
        if is_repairable(finding):
            to_do[finding.check_name, finding.app_name].append(finding)
    for (check_name, app_name), found in to_do.items():
        mend = BY_NAME[check_name].repair
        assert mend is not None
        mend(redis, app_name, found)
        telemetry.warning("scan.repaired", check=check_name, group=app_name, findings=len(found))
    return sum(map(len, to_do.values()))
