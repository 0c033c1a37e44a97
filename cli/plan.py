"""`baton plan`: what `baton apply` would change; exit code 2 if that is anything."""

from __future__ import annotations

import argparse
import os

import config
from baton.declarations import Change
from baton.store.engine import make_engine, read

from . import declared, state

EXIT_CHANGES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As for `apply`."""
    declared.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look, and change nothing."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    engine = make_engine(settings.database_url)
    try:
        with read(engine) as connection:
            found = declared.differences(connection, arguments, settings)
    finally:
        engine.dispose()
    declared.show(found, as_json=arguments.json)
    return 0 if all(each.change is Change.UNCHANGED for each in found) else EXIT_CHANGES
