"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from baton.checkup import Line, Verdict
from baton.schedule import zone

from .remarks import printable, remark

Row = Mapping[str, Any]
_Listed = TypeVar("_Listed")
_LONGEST_CELL = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Added to, not read from a timestamp: that fails for years that a cron expression can name."""


def show_rows(rows: Sequence[Row], columns: Mapping[str, str], *, as_json: bool, nothing: str) -> None:
    """A table with these columns (title by key), or all facts of all rows as a JSON list."""
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, default=str))
        return
    if not rows:
        print(nothing)
        return
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(list(columns.values()), *cells, strict=True)]
    for line in [list(columns.values()), *cells]:
        padded = [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
        print("  ".join(padded).rstrip())


def newest(found: Sequence[_Listed], limit: int) -> Sequence[_Listed]:
    """Those that are shown of a list that was asked for one more than `limit`."""
    if len(found) > limit:
        remark(f"the newest {limit:,} are shown, there are more: --limit")
    return found[:limit]


def show_one(facts: Row, *, as_json: bool) -> None:
    """One thing: a line a fact; what is empty is left out."""
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, default=str))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        text = printable(str(value)) if value not in (None, "") else ""
        if text:
            print(f"{name:<{width}}  " + text.replace("\n", "\n" + " " * (width + 2)))


def say(facts: Row, words: str, *, as_json: bool) -> None:
    """What was done: a sentence, or the facts as JSON."""
    print(json.dumps(facts, ensure_ascii=False, default=str) if as_json else printable(words))


def show_lines(lines: Iterable[Line], arguments: argparse.Namespace) -> None:
    """What a look found; with --quiet only what is not good."""
    shown = [line for line in lines if line.verdict is not Verdict.GOOD or not arguments.quiet]
    if arguments.json:
        print(json.dumps([asdict(line) for line in shown], ensure_ascii=False))
        return
    for line in shown:
        print(printable(str(line)))


def moment(ms: int | None) -> str:
    """`2026-11-21 08:30:00.123Z`; empty for 0 and None."""
    if not ms:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def wall_time(at_ms: int, zone_name: str) -> str:
    """`Fri 2026-11-20 08:30:00 +0100`: what a clock in that zone shows."""
    return (
        f"{(_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone.find(zone_name)):%a %Y-%m-%d %H:%M:%S %z}"
    )


def _cell(value: object) -> str:
    text = "" if value is None else printable(str(value)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
