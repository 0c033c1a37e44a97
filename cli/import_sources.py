"""Where `baton import` reads: files, modules and servers of other schedulers become a `Reading`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from redis.exceptions import RedisError

from baton.broker import rq_schedule
from baton.broker.client import connect
from baton.errors import InputError
from baton.foreign import (
    Reading,
    celery_beat,
    celery_tables,
    crontab,
    rq_cron,
    rq_scheduler,
    xxl_job,
)
from baton.schedule import zone

from . import celery_app
from .remarks import remark

_STDIN = Path("-")
_ZONE = "UTC"
_OF_A_MACHINE = frozenset({"crontab", "xxl-job"})
"""Sources that follow the clock of whatever machine they are on."""
_SYSTEM_FOLDER = "cron.d"
_SYSTEM_FILE = "crontab"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to read, and what it does not say of itself."""
    parser.add_argument("source", choices=SOURCES, help="where the jobs come from")
    parser.add_argument(
        "what",
        metavar="WHAT",
        help="a file (- is standard input), a module, or an address: see docs/migrating.md",
    )
    parser.add_argument("--zone", help=f"where its clock hangs, if it does not say (default: {_ZONE})")
    parser.add_argument(
        "--users", action=argparse.BooleanOptionalAction,
        help="crontab: a user stands before each command (default: only in /etc/crontab and cron.d)",
    )  # fmt: skip


def read(arguments: argparse.Namespace) -> Reading:
    """Read the source; raises `InputError` if there is nothing to read."""
    zone.find(_zone_of(arguments))
    reading = SOURCES[arguments.source](arguments)
    if arguments.zone is None and arguments.source in _OF_A_MACHINE and _has_guesses(reading):
        remark(f"it does not say whose clock its schedules follow, so they follow {_ZONE}: see --zone")
    return reading


def _zone_of(arguments: argparse.Namespace) -> str:
    return str(arguments.zone or _ZONE)


def _has_guesses(reading: Reading) -> bool:
    return any("cron" in job.said and job.said["zone"] == _ZONE for job in reading.jobs)


def _crontab(arguments: argparse.Namespace) -> Reading:
    path = Path(arguments.what)
    is_of_system = path.parent.name == _SYSTEM_FOLDER or path == Path("/etc") / _SYSTEM_FILE
    has_users = is_of_system if arguments.users is None else arguments.users
    return crontab.read(_text_of(path), has_users=has_users, zone=_zone_of(arguments))


def _xxl_job(arguments: argparse.Namespace) -> Reading:
    reading = xxl_job.read(_text_of(Path(arguments.what)), zone=_zone_of(arguments))
    if not reading.jobs and not reading.left:
        raise InputError(f"{arguments.what} has no row of xxl_job_info: dump xxl_job_group and xxl_job_info")
    return reading


def _celery(arguments: argparse.Namespace) -> Reading:
    if arguments.what.endswith(".json"):
        return celery_tables.read(_text_of(Path(arguments.what)))
    beat = celery_app.find(arguments.what)
    return celery_beat.read(beat.schedule, zone=beat.zone or _zone_of(arguments))


def _rq(arguments: argparse.Namespace) -> Reading:
    if "://" not in arguments.what:
        return rq_cron.read(_text_of(Path(arguments.what)))
    try:
        with connect(arguments.what) as redis:
            return rq_scheduler.read(rq_schedule.scheduled(redis), zone=_zone_of(arguments))
    except RedisError as problem:
        raise InputError(f"the Redis of RQ does not answer ({problem}): check its address") from None


def _apscheduler(_arguments: argparse.Namespace) -> Reading:
    raise InputError(
        "APScheduler keeps its jobs as pickles, which may run anything when they are read, so they are not: "
        "let your own process write them as jobs.yaml, with the few lines in docs/migrating.md"
    )


def _text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if path == _STDIN else path.read_text("utf-8")
    except OSError as problem:
        raise InputError(f"{path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise InputError(f"{path} is not UTF-8 text: {problem}") from None


SOURCES: dict[str, Callable[[argparse.Namespace], Reading]] = {
    "crontab": _crontab,
    "xxl-job": _xxl_job,
    "celery": _celery,
    "rq": _rq,
    "apscheduler": _apscheduler,
}
