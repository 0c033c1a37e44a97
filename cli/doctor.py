"""`baton doctor`: is everything here fit to run, and does it keep up?

Looks at settings, handlers and folders of this machine, at Redis and the database, at every executor's
beat and clock, and at what waits for whom. Each line says good, warning or bad, and how to mend it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

import config
from baton.broker.pulse import Pulse, listen
from baton.checkup import LARGEST_SKEW_MS, Line, Verdict, bad, good, has_bad, told_skew, warning
from baton.errors import BatonError, SettingsError
from baton.store import doctor, groups
from baton.store.engine import read
from baton.vocabulary import Role, SpoolState

from . import check, lag, state
from .installation import Installation
from .parsing import Parser, add_json, add_quiet
from .printing import show_lines


def add_arguments(parser: Parser) -> None:
    """`--quiet` prints only what is not good."""
    parser.notes = (
        f"Exit code 0: nothing is bad; 1: something is; {config.EXIT_CONFIG}: the settings cannot be used."
    )
    parser.examples = ["baton doctor", "baton doctor --quiet", "baton doctor --json"]
    add_quiet(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each thing looked at; 0 when none is bad."""
    environ = state.environment(os.environ)
    try:
        settings = config.load(environ)
    except SettingsError as error:
        show_lines([bad("settings", problem) for problem in error.problems], arguments)
        return config.EXIT_CONFIG
    here = Installation(settings)
    looks = (_settings, _this_machine, _database, _processes, _executors, lag.examine)
    try:
        lines = [line for look in looks for line in _carefully(look, here)]
    finally:
        here.close()
    show_lines(lines, arguments)
    return 1 if has_bad(lines) else 0


def _carefully(look: Callable[[Installation], Iterable[Line]], here: Installation) -> Iterator[Line]:
    """What `look` finds; a problem that stops it is one more line, and the others are still looked at."""
    subject = look.__name__.strip("_") if look is not lag.examine else "lag"
    try:
        yield from look(here)
    except BatonError as problem:
        yield bad(subject, str(problem))
    except RedisError:
        yield bad(subject, "not looked at, because Redis does not answer")
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        yield bad(subject, f"not looked at, because of the database: {reason}")


def _settings(here: Installation) -> Iterator[Line]:
    unknown = config.unknown_names(state.environment(os.environ))
    for text in unknown:
        yield warning("settings", text)
    settings = here.settings
    if settings.is_production and settings.reload:
        yield warning(
            "settings", "BATON_RELOAD takes up half-copied files: unset it, and restart on a release"
        )
    if settings.is_production and not settings.secure_cookies:
        text = "BATON_SECURE_COOKIES=no sends sessions over plain HTTP: serve HTTPS and unset it"
        yield warning("settings", text)
    if not unknown:
        yield good("settings", f"they can be used, {settings.env}")


def _this_machine(here: Installation) -> Iterator[Line]:
    """What an executor needs of it, Redis included."""
    from worker import check as executor  # what an executor looks at is not asked a second time here

    os.chdir(state.HOME)
    settings = here.settings
    yield from executor.look(
        redis_url=settings.redis_url,
        handlers=[name.strip() for name in settings.handlers.split(",") if name.strip()],
        scripts=settings.script_types,
        log_dir=settings.log_dir,
        spool_dir=settings.spool_dir,
        archive_url=settings.log_archive_url,
        is_production=settings.is_production,
    )


def _database(here: Installation) -> list[Line]:
    return doctor.examine(here.engine, is_production=here.settings.is_production)


def _processes(here: Installation) -> list[Line]:
    """All but executors, which are looked at more closely."""
    found = check.processes(here, [], [role for role in Role if role is not Role.EXECUTOR])
    if any(line.verdict is Verdict.GOOD for line in found):
        return found
    return [warning("processes", "none runs: start `baton run`, or the lines of the Procfile")]


def _executors(here: Installation) -> Iterator[Line]:
    """Listens to every executor for one beat: a few seconds."""
    with read(here.engine) as connection:
        known = {each.app_name for each in groups.all_groups(connection)}
    names = sorted(known | set(here.settings.groups))
    heard = listen(here.redis, names, within_s=2 * here.settings.beat_interval_s + 1)
    for app_name in names:
        yield from _group(app_name, [each for each in heard if each.app_name == app_name])


def _group(app_name: str, heard: list[Pulse]) -> Iterator[Line]:
    if not heard:
        yield warning("executors", f"none in group {app_name!r}: start a worker for it")
        return
    troubles = [line for each in heard for line in _troubles(each)]
    beating = [each for each in heard if each.skew_ms is not None]
    if beating:
        slots = sum(each.executor.slots for each in beating)
        furthest = max((each.skew_ms or 0 for each in beating), key=abs)
        text = f"{len(beating)} in group {app_name!r}, {slots} runs at a time; "
        yield good("executors", f"{text}the furthest clock is {told_skew(furthest)} this machine's")
    yield from troubles


def _troubles(pulse: Pulse) -> Iterator[Line]:
    who = pulse.executor
    subject = f"executor {who.executor_id}"
    if pulse.skew_ms is None:
        yield bad(
            subject,
            "it did not beat while it was listened to: if it is gone, its runs are taken back in seconds",
        )
    elif abs(pulse.skew_ms) >= LARGEST_SKEW_MS:
        text = f"its clock is {told_skew(pulse.skew_ms)} this machine's: let both follow the same time server"
        yield warning(subject, text)
    if who.problem:
        yield warning(subject, f"some of its handlers are not there: {who.problem.strip().splitlines()[-1]}")
    if who.spool_state != SpoolState.OK:
        verdict = Verdict.BAD if who.spool_state == SpoolState.FULL else Verdict.WARNING
        text = f"its spool is {who.spool_state}, {who.spool_waiting:,} results wait for Redis to take them"
        yield Line(verdict, subject, f"{text}: does Redis answer it? (BATON_SPOOL_LIMIT_MB)")
    if who.quarantined:
        text = f"{who.quarantined} files of its spool cannot be delivered: look into its spool folder"
        yield warning(subject, text)
    if who.state == "draining":
        yield warning(subject, "it claims nothing new: `baton executors resume` lets it")
