"""Could an executor work here? Settings, handlers, folders, archive, Redis and its clock, each by itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from baton import loading
from baton.archive import Archive
from baton.broker import doctor
from baton.broker.client import connect
from baton.checkup import Line, Verdict
from baton.errors import BrokerError, SettingsError
from baton.process_log import masked

from . import glue

_LITTLE_SPACE_BYTES = 100 * 1024 * 1024


def look(
    *,
    redis_url: str,
    handlers: Sequence[str],
    scripts: Sequence[str],
    log_dir: str,
    spool_dir: str,
    archive_url: str,
    is_production: bool,
) -> list[Line]:
    """Everything an executor needs; a problem of one thing keeps nobody from looking at the next."""
    return [
        *_handlers(handlers),
        *_scripts(scripts),
        *_folder("log folder", Path(log_dir)),
        *_folder("spool folder", Path(spool_dir)),
        *_archive(archive_url),
        *_redis(redis_url, is_production=is_production),
    ]


def _handlers(module_names: Sequence[str]) -> Iterator[Line]:
    loaded = loading.load(module_names)
    for problem in loaded.problems:
        yield Line(Verdict.BAD, "handlers", str(problem))
    if loaded.handlers:
        yield Line(Verdict.GOOD, "handlers", ", ".join(sorted(loaded.handlers)))
    elif not loaded.problems:
        text = f"none: put a file under {loading.HANDLERS_FOLDER}/, or name modules in BATON_HANDLERS"
        yield Line(Verdict.WARNING, "handlers", text)


def _scripts(allowed: Sequence[str]) -> Iterator[Line]:
    found = glue.interpreters(allowed)
    if found:
        text = ", ".join(f"{glue_type} by {program}" for glue_type, program in found.items())
        yield Line(Verdict.GOOD, "scripts", text)
    for glue_type in sorted(set(allowed) - found.keys()):
        names = " or ".join(glue.LANGUAGES[glue_type].programs)
        yield Line(Verdict.WARNING, "scripts", f"{glue_type} is allowed, but there is no {names} here")


def _folder(subject: str, folder: Path) -> Iterator[Line]:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        if place == folder.absolute():
            tempfile.TemporaryFile(dir=place).close()
        elif not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise PermissionError(f"{place} is not a folder that may be written to")
    except OSError as problem:
        yield Line(Verdict.BAD, subject, f"{folder} cannot be written to ({problem.strerror or problem})")
        return
    free = shutil.disk_usage(place).free
    if free < _LITTLE_SPACE_BYTES:
        yield Line(Verdict.WARNING, subject, f"{folder} has only {free // 1024**2} MiB left")
    else:
        yield Line(Verdict.GOOD, subject, f"{folder} can be written to, {free // 1024**3} GiB are free")


def _archive(url: str) -> Iterator[Line]:
    if not url:
        return
    try:
        Archive.at(url).try_out()
    except SettingsError as problem:
        yield Line(Verdict.BAD, "archive", str(problem))
    except Exception as problem:  # whatever the store of the archive raises
        text = f"logs cannot be stored there: {type(problem).__name__}: {masked(str(problem))}"
        yield Line(Verdict.BAD, "archive", text)
    else:
        yield Line(Verdict.GOOD, "archive", "logs can be stored there, and read again")


def _redis(url: str, *, is_production: bool) -> list[Line]:
    try:
        with connect(url) as redis:
            return doctor.examine(redis, is_production=is_production)
    except BrokerError as problem:
        return [Line(Verdict.BAD, "redis", str(problem))]
