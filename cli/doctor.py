"""`baton doctor`: is everything here fit to run, and does it keep up?

Looks at settings, Redis, the database, handlers, executors, and at what waits for whom.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import config
from baton.broker import doctor, presence
from baton.broker.client import connect
from baton.broker.results import Results
from baton.clock import SYSTEM_CLOCK
from baton.errors import BatonError
from baton.store import failed_callbacks, groups, runs
from baton.store.engine import make_engine, pending_migrations, read

from . import state
from .installation import Installation


@dataclass(frozen=True, slots=True)
class _Line:
    """One thing that was looked at."""

    verdict: str
    subject: str
    text: str


_GOOD, _WARNING, _BAD = "good", "warning", "bad"
_LATE_MS = 5_000
"""What should have been pushed so long ago is not being pushed."""
_LARGEST_SKEW_MS = 2_000
_MANY_RESULTS = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--quiet` prints only what is not good."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what is not good")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each thing looked at; 0 when none is bad."""
    settings = config.load(state.environment(os.environ))
    looks = (_settings, _redis, _database, _handlers, _executors, _lag)
    lines = [line for look in looks for line in _carefully(look, settings)]
    shown = [line for line in lines if line.verdict != _GOOD or not arguments.quiet]
    if arguments.json:
        print(json.dumps([asdict(line) for line in shown], ensure_ascii=False))
    else:
        for line in shown:
            print(f"{line.verdict:<8} {line.subject}: {line.text}")
    return 1 if any(line.verdict == _BAD for line in lines) else 0


def _carefully(
    look: Callable[[config.Settings], Iterator[_Line]], settings: config.Settings
) -> Iterator[_Line]:
    """What `look` finds; a problem that stops it is one more line, and the others are still looked at."""
    try:
        yield from look(settings)
    except (BatonError, RedisError, SQLAlchemyError) as problem:
        text = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        yield _Line(_BAD, look.__name__.removeprefix("_"), text)


def _settings(settings: config.Settings) -> Iterator[_Line]:
    unknown = config.unknown_names(state.environment(os.environ))
    for warning in unknown:
        yield _Line(_WARNING, "settings", warning)
    if not unknown:
        yield _Line(_GOOD, "settings", f"usable, {settings.env}")


def _redis(settings: config.Settings) -> Iterator[_Line]:
    with connect(settings.redis_url) as redis:
        findings = doctor.examine(redis, now_ms=SYSTEM_CLOCK.now_ms())
        yield _Line(_GOOD, "redis", f"{doctor.server_name(redis.info('server'))} answers")
        for finding in findings:
            is_bad = finding.serious and settings.is_production
            yield _Line(_BAD if is_bad else _WARNING, "redis", finding.text)


def _database(settings: config.Settings) -> Iterator[_Line]:
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


def _executors(settings: config.Settings) -> Iterator[_Line]:
    here = Installation(settings)
    try:
        with read(here.engine) as connection:
            names = sorted({each.app_name for each in groups.all_groups(connection)} | set(settings.groups))
        for app_name in names:
            present = presence.executors(here.redis, app_name)
            # a beat may be as old as the pause between two; one from the future is a clock
            ahead_ms = max((each.beat_ms - SYSTEM_CLOCK.now_ms() for each in present), default=0)
            if not present:
                yield _Line(_WARNING, "executors", f"none in group {app_name!r}: start a worker for it")
            elif ahead_ms > _LARGEST_SKEW_MS:
                text = f"one in group {app_name!r} has a clock {ahead_ms / 1000:.1f} s ahead: set it right"
                yield _Line(_WARNING, "executors", text)
            else:
                slots = sum(each.slots for each in present)
                text = f"{len(present)} in group {app_name!r}, {slots} runs at a time"
                yield _Line(_GOOD, "executors", text)
    finally:
        here.close()


def _lag(settings: config.Settings) -> Iterator[_Line]:
    """What waits: rows for a scheduler, results for the callbacks, kept results for a person."""
    here = Installation(settings)
    try:
        now_ms = SYSTEM_CLOCK.now_ms()
        with read(here.engine) as connection:
            names = [each.app_name for each in groups.all_groups(connection)]
            late_ms = runs.oldest_pending_ms(connection, now_ms)
            kept = failed_callbacks.count(connection)
        waiting = Results(here.redis, here.blocking_redis, "doctor").pending(names)
    finally:
        here.close()
    if late_ms > _LATE_MS:
        text = f"a run waits for {late_ms / 1000:.0f} s to be pushed: does a scheduler run?"
        yield _Line(_BAD, "lag", text)
    if waiting > _MANY_RESULTS:
        yield _Line(_BAD, "lag", f"{waiting:,} results wait to be applied: does a callbacks process run?")
    if kept:
        text = f"{kept} results could not be applied: look at `baton failed-callbacks list`"
        yield _Line(_WARNING, "lag", text)
    if late_ms <= _LATE_MS and waiting <= _MANY_RESULTS and not kept:
        yield _Line(_GOOD, "lag", f"nothing waits for a scheduler, {waiting} results are on their way")
