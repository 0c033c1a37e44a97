"""`baton next-fires`: when does this cron expression fire? Asks neither settings nor database nor Redis."""

from __future__ import annotations

import argparse
import json
import sys
from io import TextIOWrapper

from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError, ScheduleError
from baton.schedule import Schedule, upcoming
from baton.vocabulary import DstFold, DstGap, ScheduleType

from .parsing import Parser, add_json, whole
from .printing import wall_time

MOST_FIRES = 100_000
"""Of one expression: every second of a day is fewer."""
_COLUMNS = 4
_EXAMPLE = "baton next-fires '0 30 8 ? * MON-FRI' --zone Asia/Shanghai --count 3"


def add_arguments(parser: Parser) -> None:
    """One expression with its options, or `--stdin` for many."""
    parser.examples = [_EXAMPLE]
    parser.add_argument(
        "expression", metavar="EXPRESSION", nargs="?", help="five fields (standard) or six or seven (Quartz)"
    )
    parser.add_argument("--zone", default="UTC", help="the time zone, as Europe/Berlin (default: UTC)")
    parser.add_argument(
        "--after", type=int, metavar="EPOCH_MS", help="the fire times after this (default: now)"
    )
    parser.add_argument("--count", type=whole(0), default=10, metavar="N", help="how many (default: 10)")
    parser.add_argument(
        "--gap", type=str.upper, choices=list(DstGap), default=DstGap.RUN_AFTER,
        help="what becomes of a time of day that the clock jumps over (default: RUN_AFTER)",
    )  # fmt: skip
    parser.add_argument(
        "--fold", type=str.upper, choices=list(DstFold), default=DstFold.ONCE,
        help="what becomes of a time of day that the clock shows twice (default: ONCE)",
    )  # fmt: skip
    add_json(parser)
    parser.add_argument(
        "--stdin", action="store_true",
        help="read lines of expression, zone, epoch ms and count, separated by tabs, and write each back "
        "with one more column: its fire times in epoch ms, separated by commas, or ERR and the reason",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print the fire times; raises `InputError` for what cannot be read."""
    rules = DstGap(arguments.gap), DstFold(arguments.fold)
    if arguments.stdin:
        _answer_lines(*rules)
        return 0
    if arguments.expression is None:
        raise InputError(f"the cron expression is missing; for example: {_EXAMPLE}")
    after_ms = SYSTEM_CLOCK.now_ms() if arguments.after is None else arguments.after
    fires = _fires(arguments.expression, arguments.zone, after_ms, arguments.count, *rules)
    (_print_json if arguments.json else _print_lines)(arguments.expression, arguments.zone, fires)
    return 0


def _fires(
    expression: str, zone_name: str, after_ms: int, count: int, gap: DstGap, fold: DstFold
) -> list[int]:
    if not 0 <= count <= MOST_FIRES:
        raise InputError(f"the count {count} is out of range: allowed is 0 to {MOST_FIRES:,}")
    return upcoming(Schedule(ScheduleType.CRON, expression, zone_name, gap, fold), after_ms, count)


def _print_lines(expression: str, zone_name: str, fires: list[int]) -> None:
    from baton.schedule.words import describe  # not for `--stdin`, which asks for no words

    print(f"{describe(expression)} ({zone_name})")
    for at in fires:
        print(f"{wall_time(at, zone_name)}  {at}")
    if not fires:
        print("never again")


def _print_json(expression: str, zone_name: str, fires: list[int]) -> None:
    from baton.schedule.words import describe

    words = describe(expression)
    print(json.dumps({"expression": expression, "zone": zone_name, "words": words, "fires": fires}))


def _answer_lines(gap: DstGap, fold: DstFold) -> None:
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # what comes in goes out unchanged
    for line in sys.stdin:
        asked = line.rstrip("\r\n")
        sys.stdout.write(f"{asked}\t{_answer(asked, gap, fold)}\n")


def _answer(asked: str, gap: DstGap, fold: DstFold) -> str:
    try:
        expression, zone_name, after_ms, count = _columns(asked)
        return ",".join(map(str, _fires(expression, zone_name, after_ms, count, gap, fold)))
    except InputError as problem:
        return f"ERR {problem}"


def _columns(asked: str) -> tuple[str, str, int, int]:
    columns = asked.split("\t")
    if len(columns) != _COLUMNS:
        raise ScheduleError(f"{len(columns)} columns; it needs 4: expression, zone, epoch ms, count")
    expression, zone_name, after_ms, count = columns
    try:
        return expression, zone_name, int(after_ms), int(count)
    except ValueError:
        raise ScheduleError(
            f"{after_ms[:20]!r} or {count[:20]!r} is not a whole number: write epoch ms and a count"
        ) from None
