"""`baton jobs`: list, show, trigger, start and stop jobs."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from baton.broker import presence
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError, ScheduleError
from baton.messages import check_param
from baton.store import groups, jobs, triggers
from baton.store.engine import read, write
from baton.store.jobs import JobFilter, JobView
from baton.vocabulary import ScheduleType, TriggerStatus, TriggerType

from .installation import Installation, opened, person
from .parsing import Parser, add_json, add_limit, seconds
from .printing import moment, newest, say, show_one, show_rows
from .waiting import EXIT_UNFINISHED, exit_code_of, wait_for_end

_COLUMNS = {
    "id": "id", "name": "name", "app_name": "group", "schedule": "schedule", "handler": "handler",
    "status": "status", "next": "next fire time",
}  # fmt: skip
_KEY_LIMIT = 120
_SHOWN_IDS = 20
_NO_JOBS = "no such jobs; new ones are made in the dashboard, or declared in code and applied (`baton apply`)"
_LARGEST_ID = 2**63 - 1


def add_arguments(parser: Parser) -> None:
    """One action, and what it needs. A job is named by its id or its exact name."""
    add = parser.add_actions(usual="list")
    listing = add(
        "list", "the newest jobs first", "baton jobs list --status stopped", "baton jobs list report --json"
    )
    listing.add_argument("text", nargs="?", default="", help="part of a name, handler or description")
    listing.add_argument("--group", metavar="APP_NAME", help="only jobs of this executor group")
    listing.add_argument("--status", choices=["running", "stopped"], help="is the schedule followed?")
    add_limit(listing)
    show = add("show", "everything about one job", "baton jobs show 17")
    trigger = add(
        "trigger", "run a job once, now",
        "baton jobs trigger 17", "baton jobs trigger 'nightly report' --param 2026-11-01 --wait 600",
    )  # fmt: skip
    trigger.notes = (
        "With --wait the exit code is 0 for success, 1 for another ending,\n"
        f"{EXIT_UNFINISHED} if it has not ended in time."
    )
    trigger.add_argument("--param", help="another parameter than the job's own")
    trigger.add_argument("--executor", default="", metavar="ID", help="this executor alone may run it")
    trigger.add_argument("--key", help="an idempotency key: the same key is the same run")
    trigger.add_argument(
        "--wait", type=seconds, nargs="?", const=float("inf"), metavar="SECONDS",
        help="until it has ended, or for so long",
    )  # fmt: skip
    start = add("start", "follow the schedule of a job", "baton jobs start 17")
    stop = add(
        "stop", "follow the schedule of a job no longer; what runs goes on",
        "baton jobs stop 17 --note 'until the disk is mended'",
    )  # fmt: skip
    stop.add_argument("--note", default="", help="what others should know about it")
    for each in (show, trigger, start, stop):
        each.add_argument("job", metavar="JOB", help="its id or its name")
    for each in (listing, show, trigger, start, stop):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    status = {None: None, "running": TriggerStatus.RUNNING, "stopped": TriggerStatus.STOPPED}
    with read(here.engine) as connection:
        group_id = group_named(connection, arguments.group)
        wanted = JobFilter(group_id=group_id, trigger_status=status[arguments.status], text=arguments.text)
        found = jobs.list_page(connection, wanted, None, arguments.limit + 1)
    rows = [
        asdict(job) | {"status": _status(job)} if arguments.json else _listed(job)
        for job in newest(found, arguments.limit)
    ]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing=_NO_JOBS)
    return 0


def _listed(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "app_name": job.app_name,
        "schedule": f"{job.schedule_type} {job.schedule_conf}".strip(),
        "handler": job.executor_handler,
        "status": _status(job),
        "next": _next(job),
    }


def _status(job: JobView) -> str:
    return "running" if job.is_running else "stopped"


def _next(job: JobView) -> str:
    if not job.is_running:
        return ""
    return "after the run under way" if job.awaits_end else moment(job.next_trigger_time)


def _show(here: Installation, arguments: argparse.Namespace) -> int:
    with read(here.engine) as connection:
        job = job_named(connection, arguments.job)
    facts = asdict(job) | {"status": _status(job)}
    if not arguments.json:
        facts = _for_people(job, facts)
    show_one(facts, as_json=arguments.json)
    return 0


def _for_people(job: JobView, facts: dict[str, Any]) -> dict[str, Any]:
    """What one looks for, first; nothing that is empty, off or without limit."""
    first = {name: facts[name] for name in ("id", "name", "app_name", "status")}
    shown = {**first, "next_trigger_time": 0, **facts} | {"next_trigger_time": _next(job)}
    for name in ("last_trigger_time", "start_at", "end_at", "created_at", "updated_at"):
        shown[name] = moment(shown[name])
    return {name: fact for name, fact in shown.items() if name not in ("group_id", "trigger_status") and fact}


def _trigger(here: Installation, arguments: argparse.Namespace) -> int:
    key = _key(arguments.key)
    if arguments.param is not None:
        check_param(arguments.param)
    with read(here.engine) as connection:
        job = job_named(connection, arguments.job)
    if arguments.executor:
        _check_executor(here, job, arguments.executor)
    now_ms = SYSTEM_CLOCK.now_ms()
    with write(here.engine) as connection:
        trigger = triggers.of_job(
            job, key, TriggerType.API if arguments.key else TriggerType.MANUAL, now_ms,
            param=arguments.param, executor_id=arguments.executor,
        )  # fmt: skip
        is_new = triggers.plan(connection, [trigger], now_ms) == 1
        log_id = triggers.log_id_of(connection, job.id, key)
        if is_new:
            here.record(connection, "job.trigger", f"job {job.id}", name=job.name, run=log_id)
    here.wake_schedulers()
    if arguments.wait is None:
        facts = {"job_id": job.id, "log_id": log_id, "created": is_new}
        words = f"run {log_id} of {job.name!r} is planned" if is_new else f"run {log_id} had that key already"
        say(facts, words, as_json=arguments.json)
        return 0
    ended = wait_for_end(here, log_id, arguments.wait)
    if ended is None:
        say({"log_id": log_id, "outcome": None}, f"run {log_id} has not ended", as_json=arguments.json)
        return EXIT_UNFINISHED
    words = f"run {log_id} {ended.outcome}: {ended.handle_msg or ''}".rstrip(": \n")
    say(asdict(ended), words, as_json=arguments.json)
    return exit_code_of(ended)


def _key(said: str | None) -> str:
    if said is None:
        return triggers.key_manual(uuid.uuid4().hex)
    if not said or len(said) > _KEY_LIMIT or not said.isprintable():
        raise InputError(f"an idempotency key has 1 to {_KEY_LIMIT} printable characters")
    return triggers.key_api(said)


def _check_executor(here: Installation, job: JobView, executor_id: str) -> None:
    present = [each.executor_id for each in presence.executors(here.redis, job.app_name)]
    if executor_id not in present:
        raise InputError(
            f"no executor {executor_id!r} is alive in group {job.app_name!r}; there "
            + (f"are {', '.join(present)}" if present else "is none")
        )


def _start(here: Installation, arguments: argparse.Namespace) -> int:
    now_ms = SYSTEM_CLOCK.now_ms()
    with write(here.engine) as connection:
        job = job_named(connection, arguments.job)
        if job.schedule_type == ScheduleType.NONE:
            raise InputError(f"job {job.id} has no schedule to follow: give it one, or trigger it")
        try:
            changed = not job.is_running and jobs.follow(connection, job.id, now_ms)
        except ScheduleError as problem:
            raise InputError(f"job {job.id} cannot be started: {problem}") from None
        if changed:
            here.record(connection, "job.start", f"job {job.id}", name=job.name)
        started = job_named(connection, str(job.id))
    here.wake_schedulers()
    if not started.is_running:
        raise InputError(f"the schedule of job {job.id} names no time to come")
    words = f"{job.name!r} follows its schedule; it fires next at {_next(started)}"
    say({"job_id": job.id, "changed": changed, "status": "running"}, words, as_json=arguments.json)
    return 0


def _stop(here: Installation, arguments: argparse.Namespace) -> int:
    note = f"{person()}: {arguments.note}" if arguments.note else ""
    if len(note) > 255 or not note.isprintable():
        raise InputError("a note is one line of up to 200 characters")
    with write(here.engine) as connection:
        job = job_named(connection, arguments.job)
        changed = jobs.stop(connection, job.id, SYSTEM_CLOCK.now_ms(), note)
        if changed:
            here.record(connection, "job.stop", f"job {job.id}", name=job.name, note=note)
    here.wake_schedulers()
    words = f"{job.name!r} does not follow its schedule" + ("" if changed else "; it did not before")
    say({"job_id": job.id, "changed": changed, "status": "stopped"}, words, as_json=arguments.json)
    return 0


def job_named(connection: Connection, said: str) -> JobView:
    """The job with this id or exact name; raises `InputError` if there is none, or several."""
    if said.isascii() and said.isdigit() and int(said) <= _LARGEST_ID:
        job = jobs.get(connection, int(said))
        if job is not None:
            return job
    named = jobs.named(connection, said)
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(str(each.id) for each in named[:_SHOWN_IDS]) + (", …" if named[_SHOWN_IDS:] else "")
        raise InputError(f"{len(named)} jobs are called {said!r}: name one by its id ({ids})")
    raise InputError(f"there is no job {said!r}; `baton jobs list` shows them")


def group_named(connection: Connection, app_name: str | None) -> int | None:
    """The id of an executor group; None for None."""
    if app_name is None:
        return None
    known = {each.app_name: each.id for each in groups.all_groups(connection)}
    if app_name not in known:
        raise InputError(f"there is no executor group {app_name!r}; there are: {', '.join(sorted(known))}")
    return known[app_name]


_ACTIONS = {"list": _list, "show": _show, "trigger": _trigger, "start": _start, "stop": _stop}
