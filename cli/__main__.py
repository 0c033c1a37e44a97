"""`baton <command>`, the same as `python -m cli <command>`.

Commands are imported when they are called, so that none pays for what another needs.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import config
from baton.errors import BatonError, SettingsError

from .parsing import EXIT_USAGE, Parser
from .remarks import remark, spoken

SECTIONS = {
    "start": {
        "run": "start everything on this machine; sets up what is missing",
        "worker": "start one more worker beside `baton run`",
        "migrate": "bring the database to this version's tables",
        "seed": "put the demo group and its jobs into the database, once",
        "signin": "print a one-time link to sign in to the dashboard",
    },
    "every day": {
        "jobs": "list, show, trigger, start and stop jobs",
        "runs": "list, show, kill and delete runs, and read their logs",
        "executors": "list and show executors; drain and resume one",
        "failed-callbacks": "list, show, replay and discard results that could not be applied",
        "backfill": "plan fire times of the past that had no run",
    },
    "jobs in code and in files": {
        "plan": "show how jobs differ from what code and jobs.yaml declare",
        "apply": "make the jobs as code and jobs.yaml declare them",
        "import": "take the jobs of another scheduler along",
    },
    "who may do what": {
        "user": "make, list and delete the people who may sign in",
        "token": "make, list and revoke tokens for the API",
    },
    "is all well": {
        "doctor": "look at everything here and at what lags behind, and say how to mend it",
        "check": "see whether everything, or one role, is alive; an exit code for probes",
        "scan": "look for broken invariants in database and Redis, and repair them",
        "version": "print the version",
    },
    "without an installation": {
        "run-once": "run one handler here, without Redis; needs no settings",
        "next-fires": "print when a cron expression fires; needs no settings",
    },
}
COMMANDS = {name: meaning for section in SECTIONS.values() for name, meaning in section.items()}

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130
EXIT_NOBODY_READS = 141
"""As of a program that SIGPIPE ended: `baton runs log 7 | head`."""

_HELP = ("-h", "--help", "help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in _HELP:
        return _help(words[1:])
    name = "version" if words[0] == "--version" else words[0]
    if name not in COMMANDS:
        return _unknown(name)
    try:
        with spoken():
            code = int(import_module(_module(name)).run(parser_of(name).read(words[1:])))
            sys.stdout.flush()
    except SettingsError as error:
        config.exit_with(error)
    except BatonError as error:
        remark(str(error))
        return EXIT_PROBLEM
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # what is still buffered has no reader either: the interpreter must not try it again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOBODY_READS
    return code


def parser_of(name: str) -> Parser:
    """What reads the words after a command."""
    parser = Parser(f"baton {name}", COMMANDS[name])
    import_module(_module(name)).add_arguments(parser)
    return parser


def _module(name: str) -> str:
    return f"cli.{name.replace('-', '_')}"


def _help(words: Sequence[str]) -> int:
    if not words:
        print(_overview())
        return 0
    if words[0] not in COMMANDS:
        return _unknown(words[0])
    return _explain(parser_of(words[0]), words[1:])


def _explain(parser: Parser, words: Sequence[str]) -> int:
    (parser.actions.get(words[0], parser) if words else parser).print_help()
    return 0


def _overview() -> str:
    width = max(map(len, COMMANDS))
    sections = (
        f"{title}:\n" + "\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in commands.items())
        for title, commands in SECTIONS.items()
    )
    return (
        "usage: baton COMMAND [ACTION] [OPTIONS]\n\nA job scheduler for Python teams.\n\n"
        + "\n\n".join(sections)
        + "\n\n`baton COMMAND --help` says more. What shows something prints JSON with --json."
    )


def _unknown(name: str) -> int:
    if name.startswith("-"):
        problem = f"{name} stands before any command; options come after it"
    else:
        close = difflib.get_close_matches(name, COMMANDS, 1)
        problem = f"there is no command {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    remark(f"{problem}\n`baton --help` lists the commands")
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
