"""`baton migrate`: bring the database to this version's tables; the `release` line of the Procfile.

Where BATON_ADMIN_PASSWORD is set and nobody can sign in yet, it also makes the first user, so that
an unattended installation is ready when this command has ended.
"""

from __future__ import annotations

import argparse
import os

import config
from baton.clock import SYSTEM_CLOCK
from baton.store import access
from baton.store.engine import make_engine, upgrade, write

from . import state
from .parsing import Parser, add_json
from .printing import say

FIRST_USER = "admin"


def add_arguments(parser: Parser) -> None:
    """`--json`."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Migrate, and say what was done."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    made_user = bring_up(settings)
    words = "The database has this version's tables."
    if made_user:
        words += f"\nThe user {FIRST_USER!r} was made, with the password in BATON_ADMIN_PASSWORD."
    say({"migrated": True, "made_user": FIRST_USER if made_user else None}, words, as_json=arguments.json)
    return 0


def bring_up(settings: config.Settings) -> bool:
    """Migrate, and make the first user where that is asked for; answers whether it was made."""
    upgrade(settings.database_url)
    if not settings.admin_password:
        return False
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as connection:
            if access.has_users(connection):
                return False  # people changed their passwords since
            hashed = access.hash_password(settings.admin_password)
            access.set_password(connection, FIRST_USER, hashed, SYSTEM_CLOCK.now_ms())
    finally:
        engine.dispose()
    return True
