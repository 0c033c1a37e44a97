"""`baton worker`: one more executor beside a running `baton run`, with the same settings."""

from __future__ import annotations

import argparse
import os
import sys

import config

from . import state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`-c` and `-g` outrank the environment."""
    parser.add_argument("-c", "--concurrency", help="runs at a time (BATON_CONCURRENCY)")
    parser.add_argument("-g", "--group", help="the executor group to serve (BATON_GROUP)")


def run(arguments: argparse.Namespace) -> int:
    """Become a worker process; it ends as every worker does, by SIGTERM or Ctrl-C."""
    environ = state.environment(os.environ)
    flags = {"BATON_CONCURRENCY": arguments.concurrency, "BATON_GROUP": arguments.group}
    environ |= {name: value for name, value in flags.items() if value}
    config.load(environ, unneeded=["database_url"])
    os.chdir(state.HOME)
    os.execve(sys.executable, [sys.executable, "-m", "worker"], environ)  # noqa: S606 - becomes the worker
