"""`baton backfill`: plan fire times of the past that had no run."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime, timedelta, tzinfo

from sqlalchemy import Connection

import config
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.schedule import zone
from baton.store import backfill, jobs
from baton.store.engine import make_engine, write

from . import state
from .printing import wall_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The job and the range."""
    parser.epilog = "example: baton backfill 17 --from 2026-11-01 --to 2026-11-08 --dry-run"
    parser.add_argument("job", type=int, metavar="JOB", help="the job's id")
    parser.add_argument(
        "--from", dest="begin", required=True, metavar="TIME",
        help="the first moment, as 2026-11-01 or 2026-11-01T08:30, by the clock of the job's zone",
    )  # fmt: skip
    parser.add_argument(
        "--to", dest="end", metavar="TIME", help="the moment after the last; not to come (default: now)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be planned, and plan nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Plan them, and print each."""
    settings = config.load(state.environment(os.environ), unneeded=["redis_url", "access_token"])
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as connection:
            _backfill(connection, arguments)
    finally:
        engine.dispose()
    return 0


def _backfill(connection: Connection, arguments: argparse.Namespace) -> None:
    job = jobs.get(connection, arguments.job)
    if job is None:
        raise InputError(f"there is no job {arguments.job}")
    clock, now_ms = zone.find(job.time_zone), SYSTEM_CLOCK.now_ms()
    begin_ms = _moment_ms(arguments.begin, clock)
    end_ms = _moment_ms(arguments.end, clock) if arguments.end else now_ms
    act = backfill.look if arguments.dry_run else backfill.plan
    found = act(connection, job.id, begin_ms, end_ms, now_ms)
    for at in found.missing:
        print(f"{wall_time(at, job.time_zone)}  {at}")
    did = "would be planned" if arguments.dry_run else "planned"
    print(f"{len(found.missing)} {did}; {len(found.present)} had their run already")


def _moment_ms(text: str, clock: tzinfo) -> int:
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a moment: write it as 2026-11-01 or 2026-11-01T08:30") from None
    moment = wall if wall.tzinfo else wall.replace(tzinfo=clock)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
