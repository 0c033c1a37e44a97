"""`baton apply`: make the jobs as code and files declare them, in one transaction.

What an operator edited stays, unless its declaration changed since it was applied, or with --force.
"""

from __future__ import annotations

import argparse

from baton.clock import SYSTEM_CLOCK
from baton.declarations import Change
from baton.store import declared as store
from baton.store import groups
from baton.store.engine import write

from . import declared
from .installation import opened
from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    """As for `plan`, and how far to go."""
    declared.add_arguments(parser)
    parser.examples = ["baton apply", "baton apply --file jobs/billing.yaml --prune"]
    parser.add_argument("--force", action="store_true", help="overwrite what operators edited")
    parser.add_argument("--prune", action="store_true", help="stop jobs that are not declared any more")


def run(arguments: argparse.Namespace) -> int:
    """Apply, and say what was done."""
    now_ms = SYSTEM_CLOCK.now_ms()
    wanted = {Change.NEW, Change.CHANGED}
    wanted |= {Change.EDITED} if arguments.force else set()
    wanted |= {Change.GONE} if arguments.prune else set()
    with opened() as here:
        group = here.settings.groups[0]
        with write(here.engine) as connection:
            groups.ensure(connection, group, group, now_ms)
            found = declared.differences(connection, arguments, here.settings)
            done = [each for each in found if each.change in wanted]
            for each in done:
                act = store.prune if each.change is Change.GONE else store.apply
                act(connection, each, now_ms)
            store.link_children(connection, done, now_ms)
            store.check_children(connection)
            if done:
                keys = [each.key for each in done]
                here.record(connection, "jobs.apply", "declared jobs", keys=keys)
        here.wake_schedulers()
    declared.show(found, as_json=arguments.json)
    if done and not arguments.json:
        print(f"{len(done)} applied")
    return 0
