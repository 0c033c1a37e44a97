"""`baton user`: who may sign in to the dashboard."""

from __future__ import annotations

import argparse
import getpass
import sys

from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.store import access
from baton.store.engine import read, write

from .installation import Installation, opened
from .parsing import Parser, add_json
from .printing import moment, say, show_rows

_COLUMNS = {"name": "name", "created": "created"}
_NAME_LIMIT = 64


def add_arguments(parser: Parser) -> None:
    """One action, and what it needs."""
    add = parser.add_actions(usual="list")
    listing = add("list", "who may sign in", "baton user")
    create = add(
        "create", "make a person; the password is asked for",
        "baton user create mira", "baton user create mira --password-stdin < password.txt",
    )  # fmt: skip
    password = add(
        "password", "give a person another password; their sessions end", "baton user password mira"
    )
    for each in (create, password):
        each.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )
    delete = add("delete", "let a person in no longer; their sessions end", "baton user delete mira")
    for each in (create, password, delete):
        each.add_argument("name", metavar="NAME", help="what they sign in with")
    for each in (listing, create, password, delete):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _create(here: Installation, arguments: argparse.Namespace) -> int:
    return _set(here, arguments, is_new=True)


def _password(here: Installation, arguments: argparse.Namespace) -> int:
    return _set(here, arguments, is_new=False)


def _set(here: Installation, arguments: argparse.Namespace, *, is_new: bool) -> int:
    from dashboard.forms.person import password_problem  # one rule for both ways in

    name = arguments.name.strip()
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise InputError(f"a name has 1 to {_NAME_LIMIT} printable characters")
    with read(here.engine) as connection:
        is_known = access.password_hash(connection, name) is not None
    if is_known and is_new:
        raise InputError(f"{name!r} may sign in already: `baton user password {name}` changes the password")
    if not is_known and not is_new:
        raise InputError(f"there is nobody called {name!r}; `baton user list` shows who there is")
    password = _asked(from_stdin=arguments.password_stdin)
    problem = password_problem(password, name)
    if problem:
        raise InputError(problem)
    with write(here.engine) as connection:
        access.set_password(connection, name, access.hash_password(password), SYSTEM_CLOCK.now_ms())
        here.record(connection, "user.create" if is_new else "user.password", f"user {name}")
    say({"name": name, "did": arguments.action}, f"{name!r} may sign in", as_json=arguments.json)
    return 0


def _asked(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask for the password: give it with --password-stdin")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise InputError("that was not the same password twice")
    return password


def _delete(here: Installation, arguments: argparse.Namespace) -> int:
    with write(here.engine) as connection:
        if not access.delete_user(connection, arguments.name):
            raise InputError(
                f"there is nobody called {arguments.name!r}; `baton user list` shows who there is"
            )
        here.record(connection, "user.delete", f"user {arguments.name}")
    facts = {"name": arguments.name, "did": arguments.action}
    say(facts, f"{arguments.name!r} may not sign in any more", as_json=arguments.json)
    return 0


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    with read(here.engine) as connection:
        found = access.users(connection)
    rows = [
        {"name": name, "created_at": created_at}
        if arguments.json
        else {"name": name, "created": moment(created_at)}
        for name, created_at in found
    ]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing="nobody yet: `baton user create NAME`")
    return 0


_ACTIONS = {"create": _create, "password": _password, "delete": _delete, "list": _list}
