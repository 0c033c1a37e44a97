"""`baton runs`: list, show, kill and delete runs, and read their logs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from baton.broker import control
from baton.broker.control import CancelVerdict
from baton.broker.keys import lane_of
from baton.clock import SYSTEM_CLOCK
from baton.errors import InputError
from baton.retention import delete_spent
from baton.store import reports, retention, runs
from baton.store.engine import read, write
from baton.store.retention import Spent
from baton.store.runs import RunFilter, RunView
from baton.vocabulary import Outcome, RunState

from . import run_log
from .installation import Installation, opened, person
from .jobs import group_named, job_named
from .parsing import Parser, add_json, add_limit, whole
from .printing import moment, newest, say, show_one, show_rows
from .remarks import remark

_COLUMNS = {
    "id": "id", "job": "job", "trigger": "trigger", "triggered": "triggered", "state": "state",
    "ran": "ran", "executor": "executor", "message": "message",
}  # fmt: skip
_STATES = sorted({*(str(each) for each in Outcome), *(str(each) for each in RunState)})
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TIMES = ("fire_at", "not_before", "expires_at", "trigger_time", "pushed_at", "started_at", "handle_time")
_INNER = ("group_id", "token", "outcome", "is_pinned")
"""Facts of a run for programs: `outcome` is the `state` of a run that has ended."""
_PAGE = 500
_MOST_COUNTED = 1_000_000
_SAY_EVERY_S = 5.0
_SAID: dict[CancelVerdict, str] = {
    CancelVerdict.STOPPING: "run {} is being stopped: its executor was told",
    CancelVerdict.ENDED: "run {} was still waiting; it is ended and will never start",
    CancelVerdict.FLAGGED: "run {} is marked: it ends instead of starting when its turn comes",
    CancelVerdict.GONE: "run {} neither waits nor runs any more: its result is on the way",
}


def add_arguments(parser: Parser) -> None:
    """One action, and what it needs."""
    add = parser.add_actions(usual="list")
    listing = add(
        "list", "the newest runs first", "baton runs", "baton runs list --job 17 --state failed --since 12h"
    )
    _add_whose(listing)
    listing.add_argument("--state", choices=_STATES, metavar="STATE", help=f"one of {', '.join(_STATES)}")
    listing.add_argument("--since", metavar="TIME", help="triggered in the last 30m, 12h, 7d")
    add_limit(listing)
    show = add("show", "everything about one run", "baton runs show 4711")
    log = add(
        "log", "print what a run wrote",
        "baton runs log 4711 --follow", "baton runs log 4711 --tail 20",
    )  # fmt: skip
    run_log.add_arguments(log)
    kill = add("kill", "end a run, whether it waits or runs", "baton runs kill 4711 --reason 'wrong month'")
    kill.add_argument("--reason", default="killed", help="what its message shall say")
    clean = add(
        "clean", "delete runs that ended long ago, or all but the newest",
        "baton runs clean --older-than 90d --keep-failed", "baton runs clean --keep 1000 --job 17 --yes",
    )  # fmt: skip
    which = clean.add_mutually_exclusive_group(required=True)
    which.add_argument("--older-than", metavar="TIME", help="triggered and ended before the last 12h, 30d")
    which.add_argument("--keep", type=whole(), metavar="N", help="all but the newest N")
    _add_whose(clean)
    clean.add_argument("--keep-failed", action="store_true", help="by age: not those that did not succeed")
    clean.add_argument("--yes", action="store_true", help="delete them; without it they are counted")
    for each in (show, log, kill):
        each.add_argument("run", type=whole(), metavar="RUN", help="its id")
    for each in (listing, show, log, kill, clean):
        add_json(each)


def _add_whose(parser: Parser) -> None:
    parser.add_argument("--job", metavar="JOB", help="only runs of this job, by id or name")
    parser.add_argument("--group", metavar="APP_NAME", help="only runs of this executor group")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    with opened() as here:
        return _ACTIONS[arguments.action](here, arguments)


def _list(here: Installation, arguments: argparse.Namespace) -> int:
    state = _state(arguments.state)
    with read(here.engine) as connection:
        job = job_named(connection, arguments.job) if arguments.job else None
        wanted = RunFilter(
            group_id=group_named(connection, arguments.group),
            job_id=job.id if job else None,
            state=state,
            from_ms=_before_ms("--since", arguments.since) if arguments.since else None,
        )
    found, holders = _found(here, wanted, arguments.limit + 1)
    shown = newest(found, arguments.limit)
    rows = [_facts(each, holders) if arguments.json else _listed(each, holders) for each in shown]
    show_rows(rows, _COLUMNS, as_json=arguments.json, nothing="no such runs")
    return 0


def _found(here: Installation, wanted: RunFilter, limit: int) -> tuple[list[RunView], dict[int, str]]:
    """The newest that fit, and who has those that run: rows say only that a run was pushed."""
    found: list[RunView] = []
    holders: dict[int, str] = {}
    before_id = None
    while len(found) < limit:
        with read(here.engine) as connection:
            page = runs.list_page(connection, wanted, before_id, min(limit, _PAGE))
        holders |= _holders(here, page)
        found += [each for each in page if _fits(each, wanted.state, holders)]
        if len(page) < min(limit, _PAGE):
            break
        before_id = page[-1].log_id
    return found[:limit], holders


def _fits(each: RunView, state: Outcome | RunState | None, holders: dict[int, str]) -> bool:
    if state is RunState.RUNNING:
        return each.log_id in holders
    return state is not RunState.QUEUED or each.log_id not in holders


def _state(said: str | None) -> Outcome | RunState | None:
    if said is None:
        return None
    return Outcome(said) if said in Outcome._value2member_map_ else RunState(said)


def _before_ms(option: str, said: str) -> int:
    """The moment so long ago."""
    number, unit = said[:-1], said[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= 6 and unit in _UNITS_MS):
        raise InputError(f"{option} {said!r} is not a time: write 30m, 12h or 7d")
    return max(0, SYSTEM_CLOCK.now_ms() - int(number) * _UNITS_MS[unit])


def _holders(here: Installation, found: list[RunView]) -> dict[int, str]:
    """Which of them run now, and where: only Redis knows."""
    by_group: dict[str, list[int]] = {}
    for each in found:
        if each.app_name is not None and each.state is RunState.QUEUED:
            by_group.setdefault(each.app_name, []).append(each.log_id)
    holders: dict[int, str] = {}
    for app_name, log_ids in by_group.items():
        holders |= control.running(here.redis, app_name, log_ids)
    return holders


def _facts(each: RunView, holders: dict[int, str]) -> dict[str, Any]:
    state = RunState.RUNNING if each.log_id in holders else each.state
    executor = holders.get(each.log_id, each.executor_address)
    return {**asdict(each), "state": str(state), "executor_address": executor}


def _listed(each: RunView, holders: dict[int, str]) -> dict[str, Any]:
    facts = _facts(each, holders)
    said = (each.handle_msg or "").strip().splitlines()
    return {
        "id": each.log_id,
        "job": each.job_name or f"(job {each.job_id} was deleted)",
        "trigger": each.trigger_type,
        "triggered": moment(each.trigger_time),
        "state": facts["state"],
        "ran": _ran(each),
        "executor": facts["executor_address"],
        "message": said[-1] if said else "",
    }


def _ran(each: RunView) -> str:
    if not each.started_at or not each.handle_time:
        return ""
    return f"{max(0, each.handle_time - each.started_at) / 1000:.3f} s"


def _show(here: Installation, arguments: argparse.Namespace) -> int:
    found = run_log.run_named(here, arguments.run)
    facts = _facts(found, _holders(here, [found]))
    if not arguments.json:
        facts = _for_people(found, facts)
    show_one(facts, as_json=arguments.json)
    return 0


def _for_people(found: RunView, facts: dict[str, Any]) -> dict[str, Any]:
    """What happened, first; how it was meant to, below; nothing that says no more than "as usual"."""
    first = {name: facts[name] for name in ("log_id", "job_name", "state", "executor_address", "attempt")}
    shown = {**first, "ran": _ran(found), **facts}
    for name in _TIMES:
        shown[name] = moment(shown[name])
    if found.shard_total == 1:
        del shown["shard_index"], shown["shard_total"]
    return {name: fact for name, fact in shown.items() if name not in _INNER and fact}


def _kill(here: Installation, arguments: argparse.Namespace) -> int:
    reason = f"{arguments.reason} (by {person()})"
    if not reason.isprintable() or len(reason) > 250:
        raise InputError("a reason is one line of up to 200 characters")
    found = run_log.run_named(here, arguments.run)
    if found.outcome is not None:
        raise InputError(f"run {found.log_id} has ended already ({found.outcome}): nothing was killed")
    if found.app_name is None:
        raise InputError(f"the executor group of run {found.log_id} was deleted: there is nobody to tell")
    with write(here.engine) as connection:
        here.record(connection, "run.kill", f"run {found.log_id}", job=found.job_id, reason=reason)
    lane = found.lane or lane_of(found.job_id)
    verdict = control.cancel(here.redis, found.app_name, found.log_id, lane, reason)
    facts = {"log_id": found.log_id, "verdict": str(verdict)}
    say(facts, _SAID[verdict].format(found.log_id), as_json=arguments.json)
    return 0


def _clean(here: Installation, arguments: argparse.Namespace) -> int:
    spent = _spent(here, arguments)
    _warn_if_not_counted(here)
    if not arguments.yes:
        with read(here.engine) as connection:
            found = retention.count(connection, spent, retention.floor(connection, spent), _MOST_COUNTED)
        number = f"{found:,}{' or more' if found == _MOST_COUNTED else ''}"
        words = f"{number} run{'s' if found != 1 else ''} would be deleted; add --yes to delete"
        say({"found": found, "deleted": 0}, words, as_json=arguments.json)
        return 0
    with write(here.engine) as connection:
        here.record(connection, "runs.clean_up", "runs", **asdict(spent))
    deleted, share = 0, None
    while share is None or not share.is_done:
        share = delete_spent(here.engine, spent, after_id=share.after_id if share else 0, for_s=_SAY_EVERY_S)
        deleted += share.deleted
        if not share.is_done:
            remark(f"{deleted:,} deleted so far")
    words = f"{deleted:,} run{'s were' if deleted != 1 else ' was'} deleted"
    say({"found": deleted, "deleted": deleted}, words, as_json=arguments.json)
    return 0


def _warn_if_not_counted(here: Installation) -> None:
    with read(here.engine) as connection:
        counted_at = reports.progress(connection).counted_at
    if counted_at < SYSTEM_CLOCK.now_ms() - retention.SETTLED_AFTER_MS:
        since = f"since {moment(counted_at)}" if counted_at else "yet"
        remark(
            f"reports have not counted all runs {since}, and what they have not counted stays; "
            "is the background process running?"
        )


def _spent(here: Installation, arguments: argparse.Namespace) -> Spent:
    with read(here.engine) as connection:
        job = job_named(connection, arguments.job) if arguments.job else None
        group_id = group_named(connection, arguments.group)
    before_ms = 0 if arguments.keep else _before_ms("--older-than", arguments.older_than)
    return Spent(
        SYSTEM_CLOCK.now_ms(),
        ended_before_ms=before_ms,
        failed_before_ms=0 if arguments.keep_failed else before_ms,
        newest=arguments.keep or 0,
        group_id=group_id,
        job_id=job.id if job else None,
    )


_ACTIONS = {"list": _list, "show": _show, "log": run_log.tell, "kill": _kill, "clean": _clean}
