"""The judge: what really ran, written by the handlers themselves, outside of Baton.

A handler appends one line at its start and one at its end, each with a single write to a file
opened with O_APPEND, so no crash and no neighbour can garble or reorder lines. The checker then
compares three accounts: fire times that were planned, rows in `job_log`, lines in the ledger.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

START, END = "start", "end"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger; `at` is nanoseconds on the machine's monotonic clock."""

    what: str
    job_id: int
    log_id: int
    attempt: int
    pid: int
    at: int


@dataclass(frozen=True, slots=True)
class Span:
    """One execution of a handler; `ended` is None when the handler never came to its end."""

    job_id: int
    log_id: int
    attempt: int
    pid: int
    started: int
    ended: int | None


class Ledger:
    """Writes (in handlers) and reads (in tests) one ledger file."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def start(self, *, job_id: int, log_id: int, attempt: int = 1) -> None:
        """The handler begins."""
        self._append(START, job_id, log_id, attempt)

    def end(self, *, job_id: int, log_id: int, attempt: int = 1) -> None:
        """The handler has done its work."""
        self._append(END, job_id, log_id, attempt)

    def _append(self, what: str, job_id: int, log_id: int, attempt: int) -> None:
        line = json.dumps([what, job_id, log_id, attempt, os.getpid(), time.monotonic_ns()]) + "\n"
        # one write of one line: O_APPEND makes it whole and last, whoever else writes
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """All lines so far, in the order they were written."""
        if not self.path.exists():
            return []
        return [Entry(*json.loads(line)) for line in self.path.read_text("utf-8").splitlines()]

    def spans(self) -> list[Span]:
        """Executions in the order of their starts; an end belongs to the last start of the same process."""
        spans: list[Span] = []
        open_: dict[tuple[int, int, int], int] = {}
        for entry in self.entries():
            execution = (entry.log_id, entry.attempt, entry.pid)
            if entry.what == START:
                open_[execution] = len(spans)
                spans.append(Span(entry.job_id, *execution, entry.at, None))
            elif execution in open_:
                place = open_.pop(execution)
                spans[place] = replace(spans[place], ended=entry.at)
        return spans


@dataclass(frozen=True, slots=True)
class Row:
    """What `job_log` says of one run."""

    log_id: int
    job_id: int
    trigger_key: str
    outcome: str | None
    handle_code: int
    trigger_code: int
    attempt: int
    fire_at: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, by kind; empty lists everywhere when nothing is."""

    missing: tuple[tuple[int, str], ...] = ()
    """(job, trigger key) that was planned but has no row."""
    unfinished: tuple[int, ...] = ()
    """Log ids without an outcome."""
    lost: tuple[int, ...] = ()
    """Log ids that succeeded in the row, but never came to an end in the ledger."""
    doubled: tuple[int, ...] = ()
    """Log ids that ran to the end more than once, or started twice in one attempt."""
    unexpected: tuple[int, ...] = ()
    """Log ids in the ledger without a row."""
    overlapping: tuple[tuple[int, int], ...] = ()
    """Pairs of log ids of one job whose executions overlapped."""
    out_of_order: tuple[tuple[int, int], ...] = ()
    """Pairs of log ids of one job: the later row started first."""

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)

    def __str__(self) -> str:
        found = [f"{name}: {getattr(self, name)}" for name in self.__slots__ if getattr(self, name)]
        return "; ".join(found) or "nothing lost, nothing doubled"


def rows(engine: Engine) -> list[Row]:
    """All runs, oldest first."""
    from sqlalchemy import text  # here, because handlers import this module inside executors

    statement = text(
        "select id, job_id, trigger_key, outcome, handle_code, trigger_code, attempt, fire_at "
        "from job_log order by id"
    )
    with engine.connect() as connection:
        return [Row(*each) for each in connection.execute(statement)]


def judge(
    ledger: Ledger,
    engine: Engine,
    *,
    planned: Iterable[tuple[int, str]] = (),
    serial_jobs: Iterable[int] = (),
    in_order: bool = False,
) -> Verdict:
    """Compare the three accounts.

    `planned`: (job id, trigger key) pairs that must have exactly one row (the unique key of the
    table guards against two). `serial_jobs`: their executions must not overlap, and with
    `in_order` first attempts must start in the order of their rows.
    """
    all_rows, spans = rows(engine), ledger.spans()
    have = {(row.job_id, row.trigger_key) for row in all_rows}
    known = {row.log_id for row in all_rows}
    finished = Counter(span.log_id for span in spans if span.ended is not None)
    starts = Counter((span.log_id, span.attempt) for span in spans)
    serial = [s for s in spans if s.job_id in set(serial_jobs)]
    return Verdict(
        missing=tuple(pair for pair in planned if pair not in have),
        unfinished=tuple(row.log_id for row in all_rows if row.outcome is None),
        lost=tuple(r.log_id for r in all_rows if r.outcome == "succeeded" and not finished[r.log_id]),
        doubled=tuple(
            sorted(
                {log_id for log_id, n in finished.items() if n > 1}
                | {log_id for (log_id, _), n in starts.items() if n > 1}
            )
        ),
        unexpected=tuple(sorted({s.log_id for s in spans} - known)),
        overlapping=tuple(pair for group in _by_job(serial) for pair in overlaps(group)),
        out_of_order=tuple(pair for group in _by_job(serial) for pair in _swapped(group)) if in_order else (),
    )


def overlaps(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Neighbours in time whose executions overlapped; an execution cut short ends at the next start."""
    ordered = sorted(spans, key=lambda span: span.started)
    return [
        (before.log_id, after.log_id)
        for before, after in pairwise(ordered)
        if before.ended is not None and before.ended > after.started
    ]


def _swapped(spans: Sequence[Span]) -> list[tuple[int, int]]:
    first = [span for span in sorted(spans, key=lambda span: span.started) if span.attempt == 1]
    return [(a.log_id, b.log_id) for a, b in pairwise(first) if a.log_id > b.log_id]


def _by_job(spans: Iterable[Span]) -> list[list[Span]]:
    groups: defaultdict[int, list[Span]] = defaultdict(list)
    for span in spans:
        groups[span.job_id].append(span)
    return list(groups.values())
