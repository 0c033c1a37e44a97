"""`baton check`: are the settings usable? Connects to nothing."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping

import config
from baton.errors import SettingsError

from . import state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Name every problem and every unknown name; 0 when there is no problem."""
    environ = state.environment(os.environ)
    warnings = config.unknown_names(environ)
    if arguments.json:
        problems = _problems(environ)
        print(json.dumps({"problems": problems, "warnings": warnings}, ensure_ascii=False))
        return config.EXIT_CONFIG if problems else 0
    config.load(environ)
    for warning in warnings:
        print(f"warning: {warning}")
    print("The settings are usable.")
    return 0


def _problems(environ: Mapping[str, str]) -> list[str]:
    try:
        config.load(environ)
    except SettingsError as error:
        return list(error.problems)
    return []
