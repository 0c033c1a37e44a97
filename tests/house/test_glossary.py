"""One concept, one word: the glossary explains the words of the code, and no others."""

from __future__ import annotations

import inspect
import re
from enum import Enum

import pytest

from baton import vocabulary

from .tree import ROOT

ENUMS = {
    name: each
    for name, each in inspect.getmembers(vocabulary, inspect.isclass)
    if issubclass(each, Enum) and each.__module__ == vocabulary.__name__
}


def section(name: str) -> str:
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    found = re.search(rf"^### `{name}`.*?\n(.*?)(?=^##|\Z)", glossary, re.MULTILINE | re.DOTALL)
    assert found, f"docs/glossary.md has no section ### `{name}`"
    return found[1]


@pytest.mark.parametrize("name", ENUMS)
def test_each_word_of_the_code_is_explained(name):
    explained = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| \S", section(name), re.MULTILINE)

    assert explained == [(member.name, str(member.value)) for member in ENUMS[name]]


def test_the_glossary_explains_no_word_that_is_gone():
    glossary = (ROOT / "docs" / "glossary.md").read_text("utf-8")

    assert set(re.findall(r"^### `(\w+)`", glossary, re.MULTILINE)) == set(ENUMS)
