"""`baton scan`: do rows and keys fit together?

Runs go on while it looks, so what looks wrong is looked at again before it counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from baton.scanner.checks import BY_NAME, CHECKS
from baton.scanner.look import Report, look
from baton.scanner.repair import is_leftover, is_repairable, repair
from baton.scanner.weigh import GRACE_S, grace_for
from baton.store.engine import write
from baton.store.findings import FindingView

from .installation import Installation, opened, person
from .parsing import Parser, add_json, seconds
from .printing import moment, show_rows
from .remarks import remark

_COLUMNS = {
    "check_name": "check", "app_name": "group", "about": "about", "since": "since", "evidence": "evidence",
}  # fmt: skip
_FOUND = 1


def add_arguments(parser: Parser) -> None:
    """`--repair`, `--wait`, `--json`."""
    parser.notes = (
        "Exit code 0: all invariants hold, or nothing but leftovers was found, which go by themselves;\n"
        "1: something else was found."
    )
    parser.examples = ["baton scan", "baton scan --repair"]
    parser.add_argument("--repair", action="store_true", help="repair what can be repaired safely")
    parser.add_argument(
        "--wait", type=seconds, metavar="SECONDS",
        help=f"how long what looks wrong must do so to count (default: {GRACE_S:g}, or by the settings)",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look, look again if something looks wrong, and say what is; 0 when nothing is."""
    with opened() as here:
        wait_s = _usual_wait_s(here) if arguments.wait is None else arguments.wait
        report = _look(here, wait_s)
        if report.suspected:
            text = f"what looks wrong: {report.suspected}; looking again in {wait_s:g} s"
            remark(text)
            time.sleep(wait_s)
            report = _look(here, wait_s)
        repaired = 0
        if arguments.repair and report.findings:
            repaired = _repair(here, report.findings)
            report = _look(here, wait_s)
    if arguments.json:
        print(json.dumps(_facts(report, repaired), ensure_ascii=False))
    else:
        _show(report, repaired)
    return _FOUND if any(not is_leftover(each) for each in report.findings) else 0


def _usual_wait_s(here: Installation) -> float:
    return grace_for(
        sweep_interval_s=here.settings.sweep_interval_s,
        executor_dead_after_s=here.settings.executor_dead_after_s,
    )


def _look(here: Installation, grace_s: float) -> Report:
    return look(here.engine, here.redis, by_whom=person(), grace_s=grace_s)


def _repair(here: Installation, found: Sequence[FindingView]) -> int:
    to_do = [each for each in found if is_repairable(each)]
    with write(here.engine) as connection:
        for each in to_do:
            here.record(
                connection, "finding.repair", f"{each.check_name} {each.subject}", group=each.app_name
            )
    return repair(here.redis, to_do)


def _facts(report: Report, repaired: int) -> dict[str, Any]:
    return {
        "findings": [asdict(each) | _explained(each) for each in report.findings],
        "suspected": report.suspected,
        "repaired": repaired,
        "scan": asdict(report.scan),
    }


def _explained(finding: FindingView) -> dict[str, Any]:
    check = BY_NAME[finding.check_name]
    return {
        "title": check.title, "meaning": check.meaning, "remedy": check.remedy,
        "is_repairable": is_repairable(finding),
    }  # fmt: skip


def _show(report: Report, repaired: int) -> None:
    rows = [
        asdict(each)
        | {
            "about": f"{BY_NAME[each.check_name].subject} {each.subject}",
            "since": moment(each.first_seen),
        }
        for each in report.findings
    ]
    if repaired:
        print(f"{repaired} repaired")
    looked_at = f"{len(CHECKS)} checks, {report.scan.rows:,} runs and {report.scan.keys:,} keys"
    show_rows(rows, _COLUMNS, as_json=False, nothing=f"all invariants hold: {looked_at} looked at")
    for name in dict.fromkeys(each.check_name for each in report.findings):
        check = BY_NAME[name]
        print(f"\n{name}: {check.title}.\n  {check.meaning}\n  {check.remedy}")
    if any(map(is_repairable, report.findings)) and not repaired:
        print("\n`baton scan --repair` repairs what can be repaired safely.")
