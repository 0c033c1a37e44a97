"""`baton worker`: one more executor beside a running `baton run`, with the same settings."""

from __future__ import annotations

import argparse
import os
import sys

import config

from . import state
from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    """`-c`, `-g` and `--reload` outrank the environment."""
    parser.examples = ["baton worker", "baton worker --group reports --concurrency 8", "baton worker --check"]
    parser.add_argument("-c", "--concurrency", metavar="N", help="runs at a time (BATON_CONCURRENCY)")
    parser.add_argument("-g", "--group", metavar="APP_NAME", help="the executor group to serve (BATON_GROUP)")
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="whether changed files of handlers are taken up at once (BATON_RELOAD)",
    )
    parser.add_argument("--check", action="store_true", help="look whether a worker could work here; 0 or 1")
    parser.add_argument("--json", action="store_true", help="with --check: print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Become a worker process; it ends as every worker does, by SIGTERM or Ctrl-C."""
    environ = state.environment(os.environ)
    flags = {"BATON_CONCURRENCY": arguments.concurrency, "BATON_GROUP": arguments.group}
    environ |= {name: value for name, value in flags.items() if value}
    if arguments.reload is not None:
        environ["BATON_RELOAD"] = "yes" if arguments.reload else "no"
    words = [f"--{name}" for name in ("check", "json") if getattr(arguments, name)]
    if not arguments.check:
        config.load(environ, unneeded=["database_url"])
    os.chdir(state.HOME)
    os.execve(sys.executable, [sys.executable, "-m", "worker", *words], environ)  # noqa: S606 - becomes the worker
