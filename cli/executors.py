"""`baton executors`: who is there, and what one can do; drain and resume one."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from baton.broker import control, presence
from baton.broker.presence import ExecutorInfo
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import groups
from baton.store.engine import read, write

from .installation import Installation, opened, person
from .parsing import Parser, add_json
from .printing import moment, say, show_one, show_rows

_COLUMNS = {
    "executor_id": "executor", "group": "group", "state": "state", "running": "running", "slots": "slots",
    "tags": "tags", "beat": "last beat", "version": "version",
}  # fmt: skip
_NOBODY = "no executors: `baton run` has one; `baton worker` starts one more"


def add_arguments(parser: Parser) -> None:
    """Without an action: list them."""
    add = parser.add_actions(usual="list")
    listing = add("list", "the executors of all groups", "baton executors", "baton executors list --json")
    show = add("show", "everything about one executor", "baton executors show web-1-4711-0a1b2c3d")
    drain = add(
        "drain", "let one finish what it has and claim nothing new",
        "baton executors drain web-1-4711-0a1b2c3d",
    )  # fmt: skip
    resume = add("resume", "let a drained one claim again", "baton executors resume web-1-4711-0a1b2c3d")
    for each in (show, drain, resume):
        each.add_argument("executor", metavar="ID", help="as `baton executors` shows it")
    for each in (listing, show, drain, resume):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    rows = [
        {**asdict(info), "group": app_name}
        if arguments.json
        else {**asdict(info), "group": app_name, "tags": ", ".join(info.tags), "beat": moment(info.beat_ms)}
        for app_name, info in _all(here)
    ]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing=_NOBODY)
    return 0


def _show(here: Installation, arguments: argparse.Namespace) -> int:
    seats = _seats(here, arguments.executor)
    info = next(iter(seats.values()))
    facts = {**asdict(info), "groups": sorted(seats)}
    if not arguments.json:
        facts |= {"started": moment(facts.pop("started_ms")), "last_beat": moment(facts.pop("beat_ms"))}
        facts |= {name: ", ".join(facts[name]) for name in ("groups", "handlers", "tags", "glue_types")}
    show_one(facts, as_json=arguments.json)
    return 0


def _all(here: Installation) -> list[tuple[str, ExecutorInfo]]:
    with read(here.engine) as connection:
        known = groups.all_groups(connection)
    return [(each.app_name, info) for each in known for info in presence.executors(here.redis, each.app_name)]


def _seats(here: Installation, executor_id: str) -> dict[str, ExecutorInfo]:
    """What one executor says in each group it serves."""
    seats = {app_name: info for app_name, info in _all(here) if info.executor_id == executor_id}
    if not seats:
        raise InputError(f"there is no executor {executor_id!r}; `baton executors` shows them")
    return seats


def _tell(here: Installation, arguments: argparse.Namespace) -> int:
    seats = sorted(_seats(here, arguments.executor))
    with write(here.engine) as connection:
        here.record(connection, f"executor.{arguments.action}", f"executor {arguments.executor}")
    for app_name in seats:
        if arguments.action == "drain":
            control.drain(here.redis, app_name, arguments.executor, person(), SYSTEM_CLOCK.now_ms())
        else:
            control.resume(here.redis, app_name, arguments.executor)
    facts = {"executor_id": arguments.executor, "groups": seats, "asked": arguments.action}
    did = "claims nothing new" if arguments.action == "drain" else "claims again"
    say(facts, f"{arguments.executor} {did}", as_json=arguments.json)
    return 0


_ACTIONS = {"list": _list, "show": _show, "drain": _tell, "resume": _tell}
