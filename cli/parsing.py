"""How commands read what is typed, and how they explain themselves.

A command without an action does its usual one, options are written out, and a mistake names the way to
the help. Examples belong to the help of each action; a test reads every one of them.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

EXIT_USAGE = 2
"""What was typed is no command: nothing was done."""

_HELP = ("-h", "--help")


class Parser(argparse.ArgumentParser):
    """Reads the words of one command or action."""

    def __init__(self, prog: str, meaning: str, examples: Sequence[str] = ()) -> None:
        super().__init__(
            prog=prog,
            description=meaning[:1].upper() + meaning[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.examples = list(examples)
        self.notes = ""
        """What stands between the options and the examples."""
        self.actions: dict[str, Parser] = {}
        self._usual = ""

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What was typed, checked; ends the process with a message where it cannot be read."""
        if self._usual and (not words or (words[0].startswith("-") and words[0] not in _HELP)):
            words = [self._usual, *words]
        return self.parse_args(words)

    def add_actions(self, *, usual: str = "") -> Callable[..., Parser]:
        """Answers what adds an action: its name, its meaning, its examples. `usual` needs no typing."""
        self._usual = usual
        added = self.add_subparsers(
            title=f"actions (without one: {usual})" if usual else "actions",
            dest="action", metavar="ACTION", required=True,
        )  # fmt: skip

        def add(name: str, meaning: str, *examples: str) -> Parser:
            self.actions[name] = added.add_parser(name, help=meaning, meaning=meaning, examples=examples)
            return self.actions[name]

        return add

    def format_help(self) -> str:
        """The help, with the examples below it."""
        lines = [f"  {example}" for example in self.examples]
        example = f"{'examples' if len(lines) > 1 else 'example'}:\n" + "\n".join(lines) if lines else ""
        self.epilog = "\n\n".join(text for text in (self.notes, example) if text) or None
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the help is; nothing was done."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; `{self.prog} --help` says more\n")


def whole(least: int = 1) -> Callable[[str], int]:
    """Reads a whole number, not below `least`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def seconds(text: str) -> float:
    """Reads a number of seconds, not below 0."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found


def add_limit(parser: Parser, usual: int = 50) -> None:
    """How many rows a list has at most."""
    parser.add_argument(
        "--limit", type=whole(), default=usual, metavar="N", help=f"at most so many (default: {usual})"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """The flag that every command which shows something has."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """The flag of commands that look at many things."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is not good")
