"""docs/command-line.md says all of the command line, and nothing that is not so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from cli.__main__ import COMMANDS, SECTIONS, parser_of
from cli.parsing import Parser

from .tree import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
OPTION = r"(?<![\w-])--[a-z][a-z-]+"
ELSEWHERE = {"import": "migrating.md"}
"""Commands whose options stand on a page of their own."""


def part_of(command: str) -> str:
    """What the page says of a command."""
    return PAGE.partition(f"### `baton {command}`\n")[2].partition("\n#")[0]


def readers(command: str) -> Iterator[Parser]:
    parser = parser_of(command)
    yield parser
    yield from parser.actions.values()


def options_in(text: str) -> set[str]:
    """What is named there; of `--reload` and `--no-reload` one is enough."""
    found = set(re.findall(OPTION, text))
    return {name.replace("--no-", "--", 1) for name in found}


def test_commands_stand_in_the_order_of_the_overview():
    titles = [title[:1].upper() + title[1:] for title in SECTIONS]

    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == titles
    assert re.findall(r"^### `baton ([a-z-]+)`$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_action_and_option_of_a_command_is_named_and_no_other(command):
    part = part_of(command)
    known = options_in("".join(each.format_help() for each in readers(command))) - {"--help"}
    elsewhere = (ROOT / "docs" / ELSEWHERE[command]).read_text("utf-8") if command in ELSEWHERE else ""

    assert set(parser_of(command).actions) <= set(re.findall(r"^\| `([a-z]+)` \|", part, re.MULTILINE))
    assert options_in(part) - known <= ({"--version"} if command == "version" else set())
    assert known - options_in(part + elsewhere) <= {"--json"}  # that of all commands stands at the top


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_can_be_typed(command):
    examples = re.findall(rf"^(?:[A-Z]+=\S+ )?baton {command}\b(.*)$", part_of(command), re.MULTILINE)

    assert examples
    for words in examples:
        parser_of(command).read(shlex.split(words.partition(" < ")[0], comments=True))


def test_the_examples_at_the_top_can_be_typed():
    for line in re.findall(r"^baton (.*)$", PAGE.partition("\n## ")[0], re.MULTILINE):
        command, *words = shlex.split(line, comments=True)
        parser_of(command).read(words)
