"""`baton plan`: what `baton apply` would change; exit code 3 if that is anything."""

from __future__ import annotations

import argparse

from baton.declarations import Change
from baton.store.engine import read

from . import declared
from .installation import opened
from .parsing import Parser

EXIT_CHANGES = 3
"""Jobs and declarations are not the same yet."""


def add_arguments(parser: Parser) -> None:
    """As for `apply`."""
    parser.notes = f"Exit code 0: nothing differs; {EXIT_CHANGES}: `baton apply` would change something."
    parser.examples = ["baton plan", "baton plan --file jobs/billing.yaml --no-code"]
    declared.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look, and change nothing."""
    with opened() as here, read(here.engine) as connection:
        found = declared.differences(connection, arguments, here.settings)
    declared.show(found, as_json=arguments.json)
    return 0 if all(each.change is Change.UNCHANGED for each in found) else EXIT_CHANGES
