"""`baton backfill`: plan fire times of the past that had no run."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo

from sqlalchemy import Connection

from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.schedule import zone
from baton.store import backfill
from baton.store.backfill import Backfill
from baton.store.engine import write
from baton.store.jobs import JobView

from .installation import opened
from .jobs import job_named
from .parsing import Parser, add_json
from .printing import show_one, wall_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_arguments(parser: Parser) -> None:
    """The job and the range."""
    parser.examples = [
        "baton backfill 17 --from 2026-11-01 --to 2026-11-08 --dry-run",
        "baton backfill 'nightly report' --from 2026-11-01T08:30",
    ]
    parser.add_argument("job", metavar="JOB", help="its id or its name")
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
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan them, and print each."""
    with opened() as here:
        with write(here.engine) as connection:
            job = job_named(connection, arguments.job)
            found = _found(connection, job, arguments)
            planned = 0 if arguments.dry_run else len(found.missing)
            if planned:
                facts = {"name": job.name, "runs": planned, "begin": arguments.begin, "end": arguments.end}
                here.record(connection, "job.backfill", f"job {job.id}", **facts)
        here.wake_schedulers()
    if arguments.json:
        show_one({"job_id": job.id, **asdict(found), "planned": planned}, as_json=True)
    else:
        _print(found, job.time_zone, is_dry=arguments.dry_run)
    return 0


def _found(connection: Connection, job: JobView, arguments: argparse.Namespace) -> Backfill:
    clock, now_ms = zone.find(job.time_zone), SYSTEM_CLOCK.now_ms()
    begin_ms = _moment_ms(arguments.begin, clock)
    end_ms = _moment_ms(arguments.end, clock) if arguments.end else now_ms
    act = backfill.look if arguments.dry_run else backfill.plan
    return act(connection, job.id, begin_ms, end_ms, now_ms)


def _print(found: Backfill, zone_name: str, *, is_dry: bool) -> None:
    for at in found.missing:
        print(f"{wall_time(at, zone_name)}  {at}")
    did = "would be planned" if is_dry else "planned"
    print(f"{len(found.missing)} {did}; {len(found.present)} had their run already")


def _moment_ms(text: str, clock: tzinfo) -> int:
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a moment: write it as 2026-11-01 or 2026-11-01T08:30") from None
    moment = wall if wall.tzinfo else wall.replace(tzinfo=clock)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
