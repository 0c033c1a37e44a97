"""`baton version`: what is installed here."""

from __future__ import annotations

import argparse

from baton import __version__


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(f"baton {__version__}")
    return 0
