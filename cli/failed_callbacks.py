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
from .parsing import Parser, add_json, add_limit, whole
from .printing import moment, newest, say, show_one, show_rows

_COLUMNS = {
    "id": "id", "app_name": "group", "log_id": "run", "field": "what", "tries": "tries",
    "first": "first", "last": "last", "reason": "reason",
}  # fmt: skip
_PAGE = 500
_NOT_FOR_PEOPLE = ("first_seen", "last_seen", "discarded_at", "discarded_by", "discard_reason")
"""What `first` and `last` say in words, and what cannot be of one that is still kept."""
_NONE = "none: every result could be applied"


def add_arguments(parser: Parser) -> None:
    """One action, and what it needs."""
    add = parser.add_actions(usual="list")
    listing = add("list", "the newest first", "baton failed-callbacks", "baton failed-callbacks list --json")
    add_limit(listing)
    show = add("show", "everything about one, its bytes too", "baton failed-callbacks show 3")
    show.add_argument("id", type=whole(), metavar="ID", help="as the list shows it")
    replay = add(
        "replay", "put them into their streams again, once their reason is mended",
        "baton failed-callbacks replay 3 4", "baton failed-callbacks replay --all",
    )  # fmt: skip
    replay.add_argument("ids", type=whole(), nargs="*", metavar="ID", help="as the list shows them")
    replay.add_argument("--all", action="store_true", help="all that are kept now")
    discard = add(
        "discard", "forget results that nobody wants",
        "baton failed-callbacks discard 3 --reason 'of a job that was deleted'",
    )  # fmt: skip
    discard.add_argument("ids", type=whole(), nargs="+", metavar="ID", help="as the list shows them")
    discard.add_argument("--reason", required=True, help="why nobody wants them; the audit keeps it")
    for each in (listing, show, replay, discard):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    with read(here.engine) as connection:
        found = failed_callbacks.list_page(connection, None, arguments.limit + 1)
    rows = [_facts(each) for each in newest(found, arguments.limit)]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing=_NONE)
    return 0


def _show(here: Installation, arguments: argparse.Namespace) -> int:
    facts = _facts(_kept(here, arguments.id))
    if not arguments.json:
        facts["replayed_at"] = moment(facts["replayed_at"])
        facts = {name: fact for name, fact in facts.items() if name not in _NOT_FOR_PEOPLE}
    show_one(facts, as_json=arguments.json)
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
    facts = {"ids": [each.id for each in wanted], "did": arguments.action}
    say(facts, f"{len(wanted)} {words}" if wanted else _NONE, as_json=arguments.json)
    return 0


_ACTIONS = {"list": _list, "show": _show, "replay": _replay, "discard": _discard}
