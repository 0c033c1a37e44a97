"""`baton token`: make, list and revoke the tokens of programs that use the API."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import api_tokens
from baton.store.engine import read, write

from .installation import Installation, opened, person
from .parsing import Parser, add_json, whole
from .printing import moment, say, show_rows

_COLUMNS = {
    "id": "id", "name": "name", "created_by": "made by", "created": "made", "used": "last used",
    "rights": "rights",
}  # fmt: skip
_NAME_LIMIT = 64


def add_arguments(parser: Parser) -> None:
    """One action, and what it needs."""
    add = parser.add_actions(usual="list")
    listing = add("list", "the tokens, without their secrets", "baton token")
    create = add(
        "create", "make a token and print it, this once", "baton token create deploy",
        "baton token create ci --scripts",
    )  # fmt: skip
    create.add_argument("name", metavar="NAME", help="which program it is for")
    create.add_argument("--scripts", action="store_true", help="it may read and write scripts of jobs, too")
    revoke = add("revoke", "let a token open nothing any more", "baton token revoke 2")
    revoke.add_argument("id", type=whole(), metavar="ID", help="as the list shows it")
    for each in (listing, create, revoke):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _create(here: Installation, arguments: argparse.Namespace) -> int:
    name = arguments.name.strip()
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise InputError(f"a token's name has 1 to {_NAME_LIMIT} printable characters")
    with write(here.engine) as connection:
        secret = api_tokens.make(
            connection, name, person(), SYSTEM_CLOCK.now_ms(), may_write_scripts=arguments.scripts
        )
        here.record(connection, "api_token.create", f"token {name}", may_write_scripts=arguments.scripts)
    say({"name": name, "token": secret}, secret, as_json=arguments.json)
    return 0


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    with read(here.engine) as connection:
        found = api_tokens.all_tokens(connection)
    rows = [
        {
            **asdict(token),
            "created": moment(token.created_at),
            "used": moment(token.last_used_at) or "never",
            "rights": "may write scripts" if token.may_write_scripts else "",
        }
        for token in found
    ]
    if arguments.json:
        rows = [asdict(token) for token in found]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing="none yet: `baton token create NAME`")
    return 0


def _revoke(here: Installation, arguments: argparse.Namespace) -> int:
    with write(here.engine) as connection:
        if not api_tokens.revoke(connection, arguments.id):
            raise InputError(f"there is no token {arguments.id}; `baton token list` shows them")
        here.record(connection, "api_token.revoke", f"token {arguments.id}")
    facts = {"id": arguments.id, "did": arguments.action}
    say(facts, f"token {arguments.id} is revoked", as_json=arguments.json)
    return 0


_ACTIONS = {"list": _list, "create": _create, "revoke": _revoke}
