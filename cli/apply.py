"""`baton apply`: make the jobs as code and files declare them, in one transaction.

What an operator edited stays, unless its declaration changed since it was applied, or with --force.
"""

from __future__ import annotations

import argparse
import os

import config
from baton.clock import SYSTEM_CLOCK
from baton.declarations import Change
from baton.store import declared as store
from baton.store import groups
from baton.store.engine import make_engine, write

from . import declared, state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As for `plan`, and how far to go."""
    declared.add_arguments(parser)
    parser.add_argument("--force", action="store_true", help="overwrite what operators edited")
    parser.add_argument("--prune", action="store_true", help="stop jobs that are not declared any more")


def run(arguments: argparse.Namespace) -> int:
    """Apply, and say what was done."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    engine = make_engine(settings.database_url)
    now_ms = SYSTEM_CLOCK.now_ms()
    wanted = {Change.NEW, Change.CHANGED, *([Change.EDITED] if arguments.force else [])}
    try:
        with write(engine) as connection:
            groups.ensure(connection, settings.groups[0], settings.groups[0], now_ms)
            found = declared.differences(connection, arguments, settings)
            for each in found:
                if each.change in wanted:
                    store.apply(connection, each, now_ms)
                elif each.change is Change.GONE and arguments.prune:
                    store.prune(connection, each, now_ms)
            store.check_children(connection)
    finally:
        engine.dispose()
    declared.show(found, as_json=arguments.json)
    return 0
