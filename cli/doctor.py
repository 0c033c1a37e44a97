"""`baton doctor`: is everything here fit to run? Looks at settings, Redis, the database and handlers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import config
from baton.broker import doctor, presence
from baton.broker.client import connect
from baton.clock import SYSTEM_CLOCK
from baton.errors import BatonError

from . import state


@dataclass(frozen=True, slots=True)
class _Line:
    """One thing that was looked at."""

    verdict: str
    subject: str
    text: str


_GOOD, _WARNING, _BAD = "good", "warning", "bad"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--quiet` prints only what is not good."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is not good")


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each thing looked at; 0 when none is bad."""
    settings = config.load(state.environment(os.environ))
    lines = [line for look in (_redis, _database, _handlers) for line in _carefully(look, settings)]
    for line in lines:
        if line.verdict != _GOOD or not arguments.quiet:
            print(f"{line.verdict:<8} {line.subject}: {line.text}")
    return 1 if any(line.verdict == _BAD for line in lines) else 0


def _carefully(
    look: Callable[[config.Settings], Iterator[_Line]], settings: config.Settings
) -> Iterator[_Line]:
    """What `look` finds; a problem that stops it is one more line, and the others are still looked at."""
    try:
        yield from look(settings)
    except BatonError as problem:
        yield _Line(_BAD, look.__name__.removeprefix("_"), str(problem))


def _redis(settings: config.Settings) -> Iterator[_Line]:
    with connect(settings.redis_url) as redis:
        findings = doctor.examine(redis, now_ms=SYSTEM_CLOCK.now_ms())
        yield _Line(_GOOD, "redis", f"{doctor.server_name(redis.info('server'))} answers")
        for finding in findings:
            is_bad = finding.serious and settings.is_production
            yield _Line(_BAD if is_bad else _WARNING, "redis", finding.text)
        found = {app_name: presence.executors(redis, app_name) for app_name in settings.groups}
    for app_name, executors in found.items():
        if executors:
            yield _Line(_GOOD, "executors", f"{len(executors)} in group {app_name!r}")
        else:
            yield _Line(
                _WARNING, "executors", f"none in group {app_name!r}: start a worker, or set BATON_GROUP"
            )


def _database(settings: config.Settings) -> Iterator[_Line]:
    from sqlalchemy.exc import SQLAlchemyError

    from baton.store.engine import make_engine, pending_migrations

    engine = make_engine(settings.database_url)
    try:
        pending = pending_migrations(engine)
    except SQLAlchemyError as problem:
        text = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        yield _Line(_BAD, "database", f"{engine.dialect.name} does not answer ({text}): check DATABASE_URL")
        return
    finally:
        engine.dispose()
    if pending:
        yield _Line(_BAD, "database", f"it lacks {', '.join(pending)}: run `baton migrate`")
    else:
        yield _Line(_GOOD, "database", f"{engine.dialect.name}, with this version's tables")


def _handlers(settings: config.Settings) -> Iterator[_Line]:
    from baton import loading

    os.chdir(state.HOME)
    names = [name.strip() for name in settings.handlers.split(",") if name.strip()]
    found = loading.load(names)
    for problem in found.problems:
        yield _Line(_BAD, "handlers", str(problem))
    if found.handlers:
        yield _Line(_GOOD, "handlers", ", ".join(sorted(found.handlers)))
    elif not found.problems:
        yield _Line(
            _WARNING, "handlers", "none: put a file under handlers/, or name modules in BATON_HANDLERS"
        )
