"""`baton <command>`, the same as `python -m cli <command>`.

Commands are imported when they are called, so that none pays for what another needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import config
from baton.errors import BatonError, SettingsError

COMMANDS = {
    "run": "start everything on this machine; sets up what is missing",
    "worker": "start one more worker beside `baton run`",
    "run-once": "run one handler here, without Redis; needs no settings",
    "migrate": "bring the database to this version's tables",
    "seed": "put the demo group and its jobs into the database, once",
    "signin": "print a one-time link to sign in to the dashboard",
    "jobs": "list, show, trigger, start and stop jobs",
    "runs": "list, show and kill runs, and read their logs",
    "executors": "list executors; drain and resume one",
    "failed-callbacks": "list, replay and discard results that could not be applied",
    "user": "make, list and delete the people who may sign in",
    "plan": "show how jobs differ from what code and jobs.yaml declare",
    "apply": "make the jobs as code and jobs.yaml declare them",
    "import": "take the jobs of another scheduler along",
    "token": "make, list and revoke tokens for the API",
    "check": "see whether everything, or one role, is alive; an exit code for probes",
    "doctor": "look at everything here and at what lags behind; exit code 0 when nothing is bad",
    "scan": "look for broken invariants in database and Redis, and repair them; exit code 0 when all hold",
    "next-fires": "print when a cron expression fires; needs no settings",
    "backfill": "plan fire times of the past that had no run",
    "version": "print the version",
}

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    command = import_module(f"cli.{given.command.replace('-', '_')}")
    own = argparse.ArgumentParser(prog=f"baton {given.command}", description=COMMANDS[given.command])
    command.add_arguments(own)
    try:
        return int(command.run(own.parse_args(rest)))
    except SettingsError as error:
        config.exit_with(error)
    except BatonError as error:
        print(f"baton: {error}", file=sys.stderr)
        return EXIT_PROBLEM
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="baton",
        description="A job scheduler for Python teams.",
        epilog=f"commands:\n{listed}\n\n`baton <command> --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="command", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
