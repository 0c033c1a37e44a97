"""What differs between two versions of a script, line by line."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_FROM_THE_TOP = re.compile(r"@@ -[01][, ]")
"""The head of changes before which nothing was left out."""
LONGEST_LINES = 5_000
"""Longer scripts are not compared: it takes a time that grows with the square."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison."""

    kind: str
    """`same`, `added`, `removed`, or `skipped` for a place where equal lines were left out."""
    text: str


def compare(older: str, newer: str) -> list[DiffLine]:
    """The lines around each change; empty if nothing differs."""
    before, after = older.splitlines(), newer.splitlines()
    if max(len(before), len(after)) > LONGEST_LINES:
        return [DiffLine("skipped", f"More than {LONGEST_LINES:,} lines: too long to compare here.")]
    found = difflib.unified_diff(before, after, lineterm="", n=3)
    return [_line(text) for text in list(found)[2:] if not _FROM_THE_TOP.match(text)]


def _line(text: str) -> DiffLine:
    kinds = {"+": "added", "-": "removed", " ": "same"}
    if text.startswith("@@"):
        return DiffLine("skipped", "…")
    return DiffLine(kinds[text[0]], text[1:])
