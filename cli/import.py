"""`baton import`: take the jobs of another scheduler along.

Without more it only shows what it would do (exit code 3 if that is anything). `--output` writes a file to
review, in the form of `jobs.yaml`; `--apply` makes the jobs at once, in one transaction. They are stopped
until `--start`, or a person, starts them: two schedulers must not run one job. What cannot be read is
named with its place; the rest goes on, and the exit code is 1.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.foreign import Reading
from baton.store.engine import read, write

from . import import_file, import_plan, import_shown, import_sources
from .import_plan import Wish
from .installation import opened
from .parsing import Parser, add_json
from .plan import EXIT_CHANGES

EXIT_PROBLEM = 1


def add_arguments(parser: Parser) -> None:
    """What to read, and how far to go."""
    parser.notes = (
        f"Without --output or --apply it only shows what it would do. Exit code 0: nothing to do, or done;\n"
        f"{EXIT_CHANGES}: --apply would change something; {EXIT_PROBLEM}: some of it could not be read."
    )
    parser.examples = [
        "baton import crontab /etc/crontab --zone Europe/Berlin",
        "baton import crontab /etc/crontab --label web1 --output jobs.yaml",
        "baton import xxl-job dump.sql --zone Asia/Shanghai --apply",
        "baton import celery shop.celery:app --apply --start",
        "baton import rq crons.py",
    ]
    import_sources.add_arguments(parser)
    parser.add_argument(
        "--label", default="", help="tells one source from another of its kind, as the name of a host"
    )
    parser.add_argument(
        "--group", default="", help="for jobs that name no executor group (default: BATON_GROUP)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="write a file of declared jobs to review"
    )
    parser.add_argument("--apply", action="store_true", help="make the jobs")
    parser.add_argument(
        "--start", action="store_true", help="follow the schedules of those that are active there"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what operators edited, or the file")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, then show, write or apply; raises `InputError` for what cannot be read at all."""
    if arguments.apply and arguments.output:
        raise InputError("--output writes a file to review, --apply makes the jobs: choose one of them")
    reading = import_sources.read(arguments)
    source = f"{arguments.source}/{arguments.label}" if arguments.label else arguments.source
    wish = Wish(source, arguments.group, starts=arguments.start, overwrites=arguments.force)
    if arguments.output:
        return 0 if import_file.save(reading, arguments.output, wish) else EXIT_PROBLEM
    return _meet_the_database(reading, wish, arguments)


def _meet_the_database(reading: Reading, wish: Wish, arguments: argparse.Namespace) -> int:
    now_ms = SYSTEM_CLOCK.now_ms()
    with opened() as here:
        wish = replace(wish, group=wish.group or here.settings.groups[0])
        if arguments.apply:
            with write(here.engine) as connection:
                plan = import_plan.apply(connection, reading, wish, now_ms)
                made = [each.difference for each in plan.jobs if each.difference.change in wish.changes]
                started = [each.difference.key for each in plan.jobs if each.starts]
                if made or started:
                    keys = [each.key for each in made]
                    here.record(connection, "jobs.import", wish.source, keys=keys, started=started)
            here.wake_schedulers()
        else:
            with read(here.engine) as connection:
                plan = import_plan.compare(connection, reading, wish, now_ms)
    import_shown.show(plan, as_json=arguments.json)
    if plan.has_problems:
        return EXIT_PROBLEM
    return EXIT_CHANGES if plan.has_changes and not arguments.apply else 0
