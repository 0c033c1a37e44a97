"""What the documents tell people to type exists."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module

import pytest

import baton
from cli.__main__ import COMMANDS

from .tree import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_in(path) -> str:
    """The code spans and code blocks of a document."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", path.read_text("utf-8"), re.DOTALL))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_a_document_names_exists(path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z]+)\b", code_in(path))) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_a_document_names_exists(path):
    command = r"(?:^|[`\s/])(?<!from )(?:baton|python -m cli) ([a-z][a-z-]*)\b"
    named = re.findall(command, code_in(path), re.MULTILINE)

    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_a_document_names_exists(path):
    named = re.findall(
        r"`((?:baton|scheduler|worker|callbacks|dashboard|cli|handlers|tests|docs)/[\w./]+\.\w+)`",
        path.read_text("utf-8"),
    )
    promised = {"handlers/hello.py"}  # the walk-through has the reader write it
    assert [name for name in named if not (ROOT / name).exists() and name not in promised] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_file(name):
    command = import_module(f"cli.{name.replace('-', '_')}")

    assert callable(command.run)
    assert command.__doc__.startswith(f"`baton {name}`")


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert project["version"] == baton.__version__
    assert "## [Unreleased]" in changelog


def test_every_requirement_has_its_reason():
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if line and not line.startswith(("#", "-r")):
                assert "  # " in line or before.startswith("#"), f"{name}: {line}"


def test_the_page_on_health_has_every_check():
    from baton.scanner.checks import CHECKS

    said = {
        f"| `{check.name}` | {check.title} | {check.meaning} | {check.remedy} | "
        f"{'by itself' if check.is_leftover else 'yes' if check.repair else 'no'} |"
        for check in CHECKS
    }
    rows = (ROOT / "docs" / "health.md").read_text("utf-8").splitlines()

    assert {row for row in rows if row.startswith("| `")} == said
