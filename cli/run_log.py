"""`baton runs log`: what a run wrote, from its executor's disk or from the archive."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from baton.broker.mailbox import LogAnswer
from baton.errors import InputError
from baton.store import runs
from baton.store.engine import read
from baton.store.runs import RunView

from .installation import Installation
from .parsing import Parser, whole
from .remarks import printable, remark
from .waiting import exit_code_of

if TYPE_CHECKING:
    from dashboard.queries.run_log import RunLog

_NEWS_WITHIN_S = 2.0
"""An executor may hold its answer that long while a run says nothing."""
_LOOK_S = 0.5
"""Before nobody is asked again."""
_NO_LOG = 1


def add_arguments(parser: Parser) -> None:
    """How much of it, and for how long."""
    parser.notes = (
        "With --follow the exit code is 0 if the run succeeded. With --json each piece of the log is\n"
        "an object on a line of its own; the last line says how the run ended."
    )
    parser.add_argument("-f", "--follow", action="store_true", help="until the run has ended")
    parser.add_argument("--tail", type=whole(), metavar="N", help="begin with the last N lines")


def tell(here: Installation, arguments: argparse.Namespace) -> int:
    """Print it; 1 if there is none, or if a run that was followed did not succeed."""
    from dashboard.queries.run_log import RunLog  # one way to ask executors and the archive

    log = RunLog(here, run_named(here, arguments.run))
    at, problem = 0, ""
    if arguments.tail:
        at = _tell_last(log, arguments)
    for answer in _pieces(here, log, at, is_followed=arguments.follow):
        problem = answer.message
        _tell_piece(log, answer.content, arguments)
    return _tell_end(log.run, problem, arguments)


def _tell_last(log: RunLog, arguments: argparse.Namespace) -> int:
    """Print the last lines; answers the byte behind them."""
    answer = log.last()
    end, text = answer.to_byte, answer.content
    while answer.content and answer.from_byte > 0 and text.count("\n") <= arguments.tail:
        answer = log.before(answer.from_byte)
        text = answer.content + text
    lines = text.split("\n")  # an unfinished line, or nothing, is the last of them
    _tell_piece(log, "\n".join(lines[-arguments.tail - (not lines[-1]) :]), arguments)
    return end


def _pieces(here: Installation, log: RunLog, at: int, *, is_followed: bool) -> Iterator[LogAnswer]:
    """What is there from a byte on; what is followed ends with the run, other things where they end now."""
    end: int | None = None
    while end is None or at < end:
        # asked first: what is in the log after the end was seen is all there will ever be
        log.run = run_named(here, log.run.log_id)
        is_last = log.run.outcome is not None or not is_followed
        answer = log.after(at, 0 if is_last else _NEWS_WITHIN_S)
        yield answer
        if answer.content:
            at = answer.to_byte
            if not is_followed:
                end = end or answer.size
        elif is_last:
            return
        else:
            time.sleep(_LOOK_S if answer.message else 0)


def _tell_piece(log: RunLog, text: str, arguments: argparse.Namespace) -> None:
    if not text:
        return
    if arguments.json:
        print(json.dumps({"log_id": log.run.log_id, "text": text}, ensure_ascii=False), flush=True)
    else:
        sys.stdout.write(printable(text))
        sys.stdout.flush()


def _tell_end(run: RunView, problem: str, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps({"log_id": run.log_id, "outcome": run.outcome, "problem": problem}))
    elif problem:
        remark(f"the log of run {run.log_id}: {problem}")
    elif arguments.follow:
        print(f"run {run.log_id} {run.outcome}", file=sys.stderr)
    if problem:
        return _NO_LOG
    return exit_code_of(run) if arguments.follow else 0


def run_named(here: Installation, log_id: int) -> RunView:
    """The run with this id; raises `InputError` if there is none."""
    with read(here.engine) as connection:
        found = runs.get(connection, log_id) if log_id < 2**63 else None
    if found is None:
        raise InputError(f"there is no run {log_id}; `baton runs list` shows them")
    return found
