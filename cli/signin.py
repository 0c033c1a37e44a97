"""`baton signin`: a link that signs in once, for the first person and for forgotten passwords.

Whoever may run this command has the database anyway, so the link gives nothing away. It works once
and for an hour; a new link closes the one before.
"""

from __future__ import annotations

import argparse
import os

import config
from baton.clock import SYSTEM_CLOCK
from baton.store import access
from baton.store.engine import make_engine, write

from . import state
from .parsing import Parser, add_json
from .printing import say

LINK_LIFETIME_MS = 60 * 60 * 1000
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on, and how to reach it


def add_arguments(parser: Parser) -> None:
    """`--json`."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the link."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    link = str(_link(settings, only_first=False))
    say({"link": link, "lifetime_s": LINK_LIFETIME_MS // 1000}, link, as_json=arguments.json)
    return 0


def first_link(settings: config.Settings) -> str | None:
    """A link for the very first person; None once somebody can sign in."""
    return _link(settings, only_first=True)


def address(settings: config.Settings) -> str:
    """Where a browser on this machine finds the dashboard."""
    host = reachable(settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/"


def reachable(host: str) -> str:
    """An address to connect to, for one that is listened on."""
    return _EVERYWHERE.get(host, host)


def _link(settings: config.Settings, *, only_first: bool) -> str | None:
    now_ms = SYSTEM_CLOCK.now_ms()
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as connection:
            if only_first and access.has_users(connection):
                return None
            secret = access.make_link(connection, now_ms, now_ms + LINK_LIFETIME_MS)
    finally:
        engine.dispose()
    return f"{address(settings)}sign-in/{secret}"
