"""`baton check`: is the installation alive, or the processes of one role? An exit code for probes.

`baton doctor` asks whether everything is as it should be and takes its time; this asks whether somebody has
to be woken, and answers within seconds. Processes are judged by what they say of themselves every few
seconds (their tally), by the clock of Redis.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import config
from baton.broker import tally
from baton.broker.tally import Heard
from baton.checkup import Line, bad, good, has_bad, warning
from baton.errors import BatonError, SettingsError
from baton.in_time import InTime
from baton.store import groups
from baton.store.engine import pending_migrations, read
from baton.vocabulary import Role

from . import state
from .installation import Installation
from .parsing import Parser, add_json, add_quiet
from .printing import show_lines

ANSWERS_WITHIN_S = 5.0
"""A store that takes longer is as good as away."""
STUCK_AFTER_S = 60.0
"""A loop none of whose steps came to its end for so long does not do its work."""
_PROCFILE = {Role.EXECUTOR: "worker"}


def add_arguments(parser: Parser) -> None:
    """What is looked at: everything, a role, or the settings only."""
    parser.notes = (
        f"Exit code 0: nothing is bad; 1: something is; {config.EXIT_CONFIG}: the settings cannot be used."
    )
    parser.examples = ["baton check", "baton check --role scheduler --here --quiet", "baton check --settings"]
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--role", choices=[str(role) for role in Role], help="look at the processes of this role only"
    )
    what.add_argument("--settings", action="store_true", help="look at the settings only; connect to nothing")
    parser.add_argument("--here", action="store_true", help="count processes of this machine only")
    add_quiet(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each thing looked at; 0 when none is bad."""
    role = Role(arguments.role) if arguments.role else None
    environ = state.environment(os.environ)
    try:
        settings = config.load(environ, unneeded=["database_url"] if role else [])
    except SettingsError as error:
        show_lines([bad("settings", problem) for problem in error.problems], arguments)
        return config.EXIT_CONFIG
    lines = [warning("settings", text) for text in config.unknown_names(environ)]
    lines = lines or [good("settings", f"they can be used, {settings.env}")]
    if not arguments.settings:
        here = Installation(settings)
        lines += _alive(here, role, host=socket.gethostname() if arguments.here else "")
        here.close()
    show_lines(lines, arguments)
    return 1 if has_bad(lines) else 0


def _alive(here: Installation, role: Role | None, *, host: str) -> Iterator[Line]:
    """Of a role, only Redis is asked: executors have no database, and others say how they get on with it."""
    names = list(here.settings.groups)
    if role is None:
        yield from _in_time("database", partial(_database, here, names))
    yield from _in_time("processes", partial(processes, here, names, [role] if role else list(Role), host))


def _in_time(subject: str, question: Callable[[], list[Line]]) -> list[Line]:
    try:
        return InTime().ask(subject, question, within_s=ANSWERS_WITHIN_S)
    except TimeoutError:
        return [bad(subject, f"no answer within {ANSWERS_WITHIN_S:g} s: is it there, and is it overloaded?")]
    except RedisError as problem:
        return [bad("redis", f"it does not answer ({problem}): check REDIS_URL, and that it runs")]
    except BatonError as problem:
        return [bad(subject, str(problem))]
    except SQLAlchemyError as problem:
        text = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        return [bad(subject, f"{text}: check DATABASE_URL, and that it runs")]


def _database(here: Installation, names: list[str]) -> list[Line]:
    missing = pending_migrations(here.engine)
    if missing:
        return [bad("database", f"it lacks {', '.join(missing)}: run `baton migrate`")]
    with read(here.engine) as connection:
        names[:] = sorted({*names, *(each.app_name for each in groups.all_groups(connection))})
    return [good("database", "it answers, with the tables of this version")]


def processes(here: Installation, names: Sequence[str], roles: Sequence[Role], host: str = "") -> list[Line]:
    """Who of these roles is alive, and whose loops do their work."""
    heard = tally.heard(here.redis)
    for app_name in names:
        heard += tally.heard(here.redis, app_name)
    silent_after_s = here.settings.executor_dead_after_s
    mine = [each for each in heard if not host or each.info.host == host]
    return [
        line
        for role in roles
        for line in _role(role, [each for each in mine if each.info.role == role], silent_after_s, host)
    ]


def _role(role: Role, heard: Sequence[Heard], silent_after_s: float, host: str) -> Iterator[Line]:
    alive = [each for each in heard if each.age_s < silent_after_s]
    if not alive:
        where = f" on {host}" if host else ""
        yield bad(role, f"none is alive{where}: start the line `{_PROCFILE.get(role, role)}` of the Procfile")
    else:
        yield good(role, f"{len(alive)} alive, the last word {min(each.age_s for each in alive):.1f} s ago")
    for each in heard:
        who = f"{role} {each.info.process_id}"
        if each.age_s >= silent_after_s:
            yield warning(who, f"its last word is {each.age_s:.0f} s old: it was killed, or has no Redis")
            continue
        for loop, overdue_s in each.info.overdue_s.items():
            if overdue_s >= STUCK_AFTER_S:
                text = f"its loop {loop!r} has come to no end for {overdue_s:.0f} s: its log says why"
                yield bad(who, text)
