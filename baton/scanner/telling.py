"""Tells people of findings that stay: once for each check and group, until all of them are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Engine

from ..clock import SYSTEM_CLOCK, Clock
from ..store import alarms, findings, groups
from ..store.alarms import NewAlarm
from ..store.engine import write
from ..store.findings import FindingView
from ..vocabulary import AlarmCondition
from .checks import BY_NAME

STAYS_S = 120.0
"""What is there for so long is not put right by anybody."""


def tell(engine: Engine, found: Sequence[FindingView], *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Write down what to tell; answers how much of it is new."""
    long_ago_ms = clock.now_ms() - round(STAYS_S * 1000)
    stay = [each for each in found if each.first_seen <= long_ago_ms and _is_news(each)]
    if all(each.is_told for each in stay):
        return 0
    with write(engine) as connection:
        group_ids = {each.app_name: each.id for each in groups.all_groups(connection)}
        by_check: defaultdict[tuple[str, str], list[FindingView]] = defaultdict(list)
        for each in stay:
            by_check[each.check_name, each.app_name].append(each)
        news = [
            _alarm(each, group_ids.get(each[0].app_name, 0))
            for each in by_check.values()
            if not any(one.is_told for one in each)
        ]
        findings.mark_told(connection, [each.id for each in stay])
        return alarms.raise_alarms(connection, news, clock.now_ms())


def _is_news(finding: FindingView) -> bool:
    check = BY_NAME.get(finding.check_name)
    return check is not None and not check.is_untold and not check.is_leftover


def _alarm(found: Sequence[FindingView], group_id: int) -> NewAlarm:
    first, check = found[0], BY_NAME[found[0].check_name]
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    text = f"{check.title}: {check.subject} {first.subject}{others}. {check.remedy}"
    key = f"finding:{first.id}:{first.first_seen}"
    return NewAlarm(key, AlarmCondition.FINDING, group_id, text=text)
