"""The header of a Lua script is its contract; the code below it and the Python side keep it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baton.broker import keys

from .tree import ROOT, python_files

LUA = ROOT / "baton" / "broker" / "lua"
SCRIPTS = sorted(path for path in LUA.glob("*.lua") if not path.name.startswith("_"))
INCLUDES = sorted(LUA.glob("_*.lua"))
SECTIONS = ("KEYS", "ARGV", "ANSWER", "INVARIANT", "REPEAT")

KEY_TABLE = re.findall(r"^\| `(\w+)(?::<\w+>)?` \|", keys.__doc__ or "", re.MULTILINE)
"""The keys that `keys.py` documents."""


def by_name(path: Path) -> str:
    return path.stem


def header(path: Path) -> dict[str, str]:
    """Section -> text, of the comment the script opens with."""
    lines = path.read_text("utf-8").split("\n\n")[0].splitlines()
    found: dict[str, str] = {"TITLE": lines[0]}
    current = "TITLE"
    for line in lines[1:]:
        section = re.match(r"-- ([A-Z]+) (.*)", line)
        if section and section[1] in SECTIONS:
            current = section[1]
            found[current] = section[2]
        else:
            found[current] += " " + line.removeprefix("--").strip()
    return found


ASSIGNMENT = re.compile(r"^local ([\w, ]+) =\s*((?:,\n|[^\n])+)$", re.MULTILINE)


def locals_bound_to(path: Path, table: str) -> list[str]:
    """The local names that `KEYS[1], KEYS[2], …` (or `ARGV`) are given, in order."""
    bound: dict[int, str] = {}
    for names, values in ASSIGNMENT.findall(path.read_text("utf-8")):
        for name, value in zip(names.split(","), values.split(","), strict=False):
            index = re.fullmatch(rf"(?:tonumber\()?{table}\[(\d+)\]\)?", value.strip())
            if index:
                bound[int(index[1])] = name.strip()
    return [bound[index] for index in sorted(bound)]


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_a_script_opens_with_its_contract(path):
    found = header(path)

    assert re.match(rf"-- {path.stem}: \S.*", found["TITLE"])
    assert [name for name in found if name != "TITLE"] == list(SECTIONS)


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_keys_are_named_in_the_order_the_header_gives_them(path):
    declared = header(path)["KEYS"].split()

    assert locals_bound_to(path, "KEYS") == declared
    assert set(declared) <= set(KEY_TABLE), "every key stands in the table of keys.py"


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_fixed_arguments_are_named_in_the_order_the_header_gives_them(path):
    fixed = header(path)["ARGV"].partition(",")[0].split()
    bound = locals_bound_to(path, "ARGV")

    assert bound[: len(fixed)] == fixed[: len(bound)]


@pytest.mark.parametrize("path", INCLUDES, ids=by_name)
def test_an_include_says_what_it_expects_and_finds_it(path):
    text = path.read_text("utf-8")
    expects = re.search(r"^-- EXPECTS (?:nothing|the locals? ([\w, ]+))\.", text, re.MULTILINE)
    assert expects, f"{path.name} has no EXPECTS line"

    expected = set(re.findall(r"\w+", expects[1] or ""))
    for script in SCRIPTS:
        if f"--- @include {path.stem}\n" in script.read_text("utf-8"):
            given = {*locals_bound_to(script, "KEYS"), *locals_bound_to(script, "ARGV")}
            assert expected <= given, f"{script.name} includes {path.name}"


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_a_script_is_called_by_one_side_of_one_conversation(path):
    callers = [
        file.name
        for file in python_files("baton/broker")
        if f'load("{path.stem}")' in file.read_text("utf-8")
    ]
    assert len(callers) == 1
