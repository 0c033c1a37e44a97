"""`baton failed-callbacks`: results that could not be applied: look, replay, discard."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from baton.broker.results import Results
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import failed_callbacks
from baton.store.engine import read, write
from baton.store.failed_callbacks import FailedCallbackView

from .installation import Installation, opened, person
from .printing import add_json, moment, show_one, show_rows

_COLUMNS = {
    "id": "id", "app_name": "group", "log_id": "run", "field": "what", "tries": "tries",
    "first": "first", "last": "last", "reason": "reason",
}  # fmt: skip
_PAGE = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action, and what it needs."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="the newest first")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (50)")
    show = actions.add_parser("show", help="everything about one, its bytes too")
    show.add_argument("id", type=int, metavar="ID")
    replay = actions.add_parser("replay", help="put them into their streams again")
    replay.add_argument("ids", type=int, nargs="*", metavar="ID")
    replay.add_argument("--all", action="store_true", help="all that are kept now")
    discard = actions.add_parser("discard", help="forget them")
    discard.add_argument("ids", type=int, nargs="+", metavar="ID")
    discard.add_argument("--reason", required=True, help="why nobody wants them; the audit keeps it")
    for each in (listing, show, replay, discard):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    with read(here.engine) as connection:
        found = failed_callbacks.list_page(connection, None, max(1, arguments.limit))
    rows = [_facts(each) for each in found]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing="none: every result could be applied")
    return 0


def _show(here: Installation, arguments: argparse.Namespace) -> int:
    show_one(_facts(_kept(here, arguments.id)), as_json=arguments.json)
    return 0


def _facts(each: FailedCallbackView) -> dict[str, Any]:
    facts = asdict(each)
    facts["payload"] = each.payload.hex()
    return facts | {"first": moment(each.first_seen), "last": moment(each.last_seen)}


def _replay(here: Installation, arguments: argparse.Namespace) -> int:
    if arguments.all == bool(arguments.ids):
        raise InputError("name the ids to replay, or --all")
    wanted = _all(here) if arguments.all else [_kept(here, each) for each in arguments.ids]
    results = Results(here.redis, here.blocking_redis, "command line")
    for kept in wanted:
        # it stays kept until it was applied: a crash here costs nothing but a second replay
        results.append(kept.app_name, {kept.field: kept.payload}, replay_of=kept.id)
        with write(here.engine) as connection:
            failed_callbacks.mark_replayed(connection, [kept.id], SYSTEM_CLOCK.now_ms())
            _record(here, connection, "failed_callback.replay", kept, kept.reason)
    return _did(arguments, wanted, "in their streams again; what still cannot be applied stays kept")


def _discard(here: Installation, arguments: argparse.Namespace) -> int:
    wanted = [_kept(here, each) for each in arguments.ids]
    for kept in wanted:
        with write(here.engine) as connection:
            by, now_ms = person(), SYSTEM_CLOCK.now_ms()
            if not failed_callbacks.discard(
                connection, kept.id, by=by, reason=arguments.reason, now_ms=now_ms
            ):
                raise InputError(f"somebody has discarded failed callback {kept.id} already")
            _record(here, connection, "failed_callback.discard", kept, arguments.reason)
    return _did(arguments, wanted, "discarded")


def _all(here: Installation) -> list[FailedCallbackView]:
    found: list[FailedCallbackView] = []
    while True:
        with read(here.engine) as connection:
            page = failed_callbacks.list_page(connection, found[-1].id if found else None, _PAGE)
        found += page
        if len(page) < _PAGE:
            return found[::-1]  # the oldest first, as they came


def _kept(here: Installation, failed_callback_id: int) -> FailedCallbackView:
    with read(here.engine) as connection:
        kept = failed_callbacks.get(connection, failed_callback_id)
    if kept is None:
        raise InputError(
            f"no failed callback {failed_callback_id} is kept; `baton failed-callbacks list` shows them"
        )
    return kept


def _record(
    here: Installation, connection: Connection, action: str, kept: FailedCallbackView, reason: str
) -> None:
    facts = {"run": kept.log_id, "field": kept.field, "reason": reason}
    here.record(connection, action, f"failed callback {kept.id}", **facts)


def _did(arguments: argparse.Namespace, wanted: list[FailedCallbackView], words: str) -> int:
    if arguments.json:
        show_one({"ids": [each.id for each in wanted], "did": arguments.action}, as_json=True)
    else:
        print(f"{len(wanted)} {words}")
    return 0


_ACTIONS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}
