"""`baton run-once`: run one handler here, as an executor would, without Redis or a database.

What it logs goes to standard error as it comes; what it returns goes to standard output, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import difflib
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import FrameType

from baton import endings, loading
from baton.context import Cancelled, Progress, Shard, call_site
from baton.handlers import Handler
from baton.rehearsal import WHOLE, Ran, Rehearsal
from baton.vocabulary import Outcome

from . import state
from .parsing import EXIT_USAGE, Parser, whole
from .remarks import remark

EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.FAILED: 1,
    Outcome.TIMED_OUT: 124,
    Outcome.KILLED: 130,
}


def add_arguments(parser: Parser) -> None:
    """What the run is given."""
    parser.notes = (
        "What it logs goes to standard error, what it returns to standard output, as JSON. Exit code 0:\n"
        "it succeeded; 1: failed; 124: timed out; 130: Ctrl-C; 2: no such handler."
    )
    parser.examples = ["baton run-once hello --param Ada", "baton run-once resize --shard 0/3 --attempt 2"]
    parser.add_argument("handler", metavar="HANDLER", help="its name, as in @job")
    parser.add_argument(
        "-p", "--param", default="", help="the parameter, as text; - reads it from standard input"
    )
    parser.add_argument(
        "--shard", type=_shard, default=WHOLE, metavar="I/N", help="as shard I of N, from 0: 0/3"
    )
    parser.add_argument(
        "--attempt", type=whole(), metavar="N", default=1, help="as the how-manieth attempt (default: 1)"
    )
    parser.add_argument(
        "--time-left", type=float, metavar="S", help="the deadline it sees: S seconds from now"
    )
    parser.add_argument("--handlers", metavar="MODULES", help="where to find it (BATON_HANDLERS)")


def run(arguments: argparse.Namespace) -> int:
    """Run it; 0 succeeded, 1 failed, 124 timed out, 130 ended by Ctrl-C, 2 no such handler."""
    names = arguments.handlers or state.environment(os.environ).get("BATON_HANDLERS", "")
    os.chdir(state.HOME)
    loaded = loading.load([name.strip() for name in names.split(",") if name.strip()])
    for problem in loaded.problems:
        remark(str(problem))
    handler = loaded.handlers.get(arguments.handler)
    if handler is None:
        remark(_unknown(arguments.handler, loaded.handlers))
        return EXIT_USAGE
    ran = _rehearse(handler, arguments)
    return _tell(ran)


def _unknown(name: str, known: dict[str, Handler]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"there is no handler {name!r}; {hint}known are: {', '.join(sorted(known)) or 'none'}"


def _rehearse(handler: Handler, arguments: argparse.Namespace) -> Ran:
    left_s = arguments.time_left
    rehearsal = Rehearsal(
        handler,
        param=sys.stdin.read() if arguments.param == "-" else arguments.param,
        shard=arguments.shard,
        attempt=arguments.attempt,
        write_line=lambda text, depth: _line("INFO", call_site(depth + 1), text),
        report=_report,
        deadline=None if left_s is None else datetime.now(UTC) + timedelta(seconds=left_s),
    )
    logging.basicConfig(level=logging.INFO, handlers=[_Lines()], format="%(message)s")
    if handler.is_async:
        return asyncio.run(_on_loop(rehearsal))
    with _interrupts(rehearsal):
        return rehearsal.run()


async def _on_loop(rehearsal: Rehearsal) -> Ran:
    """Ctrl-C cancels the coroutine; the second one ends this process."""
    loop, running = asyncio.get_running_loop(), asyncio.create_task(rehearsal.arun())

    def on_interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        rehearsal.context.cancelled = True
        running.cancel()

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        return await running
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextlib.contextmanager
def _interrupts(rehearsal: Rehearsal) -> Iterator[None]:
    """Ctrl-C raises `Cancelled` in the handler, as a kill does; the second one ends this process."""
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        rehearsal.context.cancelled = True
        raise Cancelled

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(ran: Ran) -> int:
    sys.stdout.flush()
    message = f": {ran.message.rstrip()}" if ran.message else ""
    print(f"{ran.outcome}{message}", file=sys.stderr)
    if ran.outcome is Outcome.SUCCEEDED and (text := endings.kept_result(ran.result).text):
        print(text)
    return EXIT_CODES[ran.outcome]


class _Lines(logging.Handler):
    """What the standard `logging` module says, as a run log has it."""

    def emit(self, record: logging.LogRecord) -> None:
        _line(record.levelname, f"{record.filename}:{record.lineno}", self.format(record))


def _line(level: str, site: str, text: str) -> None:
    now = time.time()
    stamp = time.strftime("%H:%M:%S", time.localtime(now))
    print(f"{stamp}.{int(now % 1 * 1000):03d} {level} [{site}] {text}", file=sys.stderr, flush=True)


def _report(progress: Progress) -> None:
    _line("INFO", "progress", f"{progress.fraction:.0%} {progress.note}".rstrip())


def _shard(text: str) -> Shard:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard: index/total, counted from 0, as 0/3")
    return Shard(int(found[1]), int(found[2]))
