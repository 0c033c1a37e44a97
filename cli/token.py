"""`baton token`: make, list and revoke the tokens of programs that use the API."""

from __future__ import annotations

import argparse
import getpass
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection

import config
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import api_tokens
from baton.store.engine import make_engine, write

from . import state

_NAME_LIMIT = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action, and what it needs."""
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a token and print it, once")
    create.add_argument("name", help="which program it is for")
    create.add_argument("--scripts", action="store_true", help="it may read and write scripts of jobs, too")
    listing = actions.add_parser("list", help="print the tokens, without their secrets")
    listing.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="let a token open nothing any more")
    revoke.add_argument("id", type=int)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as connection:
            return _ACTIONS[arguments.action](connection, arguments)
    finally:
        engine.dispose()


def _create(connection: Connection, arguments: argparse.Namespace) -> int:
    name = arguments.name.strip()
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise InputError(f"a token's name has 1 to {_NAME_LIMIT} printable characters")
    by, now_ms = f"{getpass.getuser()} (command line)", SYSTEM_CLOCK.now_ms()
    print(api_tokens.make(connection, name, by, now_ms, may_write_scripts=arguments.scripts))
    return 0


def _list(connection: Connection, arguments: argparse.Namespace) -> int:
    tokens = api_tokens.all_tokens(connection)
    if arguments.json:
        print(json.dumps([asdict(token) for token in tokens]))
        return 0
    for token in tokens:
        print(f"{token.id:>4}  {token.name:<24}  made {_day(token.created_at)} by {token.created_by}", end="")
        used = f"used {_day(token.last_used_at)}" if token.last_used_at else "never used"
        print(f", {used}{', may write scripts' if token.may_write_scripts else ''}")
    return 0


def _revoke(connection: Connection, arguments: argparse.Namespace) -> int:
    if not api_tokens.revoke(connection, arguments.id):
        raise InputError(f"there is no token {arguments.id}; `baton token list` shows them")
    print(f"token {arguments.id} is revoked")
    return 0


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


_ACTIONS = {"create": _create, "list": _list, "revoke": _revoke}
