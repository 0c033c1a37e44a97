"""`baton executors`: who is there; drain and resume one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from baton.broker import control, presence
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import groups
from baton.store.engine import read, write

from .installation import Installation, opened, person
from .printing import add_json, moment, show_one, show_rows

_COLUMNS = {
    "executor_id": "executor", "group": "group", "state": "state", "running": "running", "slots": "slots",
    "tags": "tags", "beat": "last beat", "version": "version",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without an action: list them."""
    actions = parser.add_subparsers(dest="action")
    listing = actions.add_parser("list", help="all executors of all groups")
    drain = actions.add_parser("drain", help="let one finish what it has and claim nothing new")
    resume = actions.add_parser("resume", help="let a drained one claim again")
    for each in (drain, resume):
        each.add_argument("executor", metavar="ID")
    for each in (parser, listing, drain, resume):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        if arguments.action in ("drain", "resume"):
            return _tell(here, arguments)
        return _list(here, as_json=arguments.json)


def _list(here: Installation, *, as_json: bool) -> int:
    rows = [
        {**asdict(info), "group": app_name}
        if as_json
        else {**asdict(info), "group": app_name, "tags": ", ".join(info.tags), "beat": moment(info.beat_ms)}
        for app_name, info in _all(here)
    ]
    show_rows(rows, _COLUMNS, as_json=as_json, nothing="no executors: start one with `baton worker`")
    return 0


def _all(here: Installation) -> list[tuple[str, presence.ExecutorInfo]]:
    with read(here.engine) as connection:
        known = groups.all_groups(connection)
    return [(each.app_name, info) for each in known for info in presence.executors(here.redis, each.app_name)]


def _tell(here: Installation, arguments: argparse.Namespace) -> int:
    seats = [app_name for app_name, info in _all(here) if info.executor_id == arguments.executor]
    if not seats:
        raise InputError(f"there is no executor {arguments.executor!r}; `baton executors` shows them")
    with write(here.engine) as connection:
        here.record(connection, f"executor.{arguments.action}", f"executor {arguments.executor}")
    for app_name in seats:
        if arguments.action == "drain":
            control.drain(here.redis, app_name, arguments.executor, person(), SYSTEM_CLOCK.now_ms())
        else:
            control.resume(here.redis, app_name, arguments.executor)
    facts: dict[str, Any] = {"executor_id": arguments.executor, "groups": seats, "asked": arguments.action}
    if arguments.json:
        show_one(facts, as_json=True)
    else:
        did = "claims nothing new" if arguments.action == "drain" else "claims again"
        print(f"{arguments.executor} {did}")
    return 0
