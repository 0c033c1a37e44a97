"""`baton check`: are the settings usable? Connects to nothing."""

from __future__ import annotations

import argparse
import os

import config

from . import state


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_arguments: argparse.Namespace) -> int:
    """Name every problem and every unknown name; 0 when there is no problem."""
    environ = state.environment(os.environ)
    config.load(environ)
    for warning in config.unknown_names(environ):
        print(f"warning: {warning}")
    print("The settings are usable.")
    return 0
