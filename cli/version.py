"""`baton version`: what is installed here."""

from __future__ import annotations

import argparse

from baton import __version__

from .parsing import Parser, add_json
from .printing import say


def add_arguments(parser: Parser) -> None:
    """`--json`."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the version."""
    say({"version": __version__}, f"baton {__version__}", as_json=arguments.json)
    return 0
