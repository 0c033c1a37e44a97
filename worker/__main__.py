"""`python -m worker`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict

import config
from baton.archive import Archive
from baton.checkup import Line, Verdict, has_bad
from baton.errors import SettingsError

from . import check, main
from .limits import Limits, Wear
from .settings import ExecutorSettings


def run() -> int:
    """Read the settings and run one executor until a signal stops it, or look whether one could run."""
    arguments = _parser().parse_args()
    environ = dict(os.environ)
    if arguments.reload is not None:
        environ["BATON_RELOAD"] = "yes" if arguments.reload else "no"
    if arguments.check:
        return _check(environ, as_json=arguments.json)
    _serve(config.start_process("worker", environ, unneeded=["database_url"]))
    return 0


def _serve(settings: config.Settings) -> None:
    try:
        archive = Archive.at(settings.log_archive_url) if settings.log_archive_url else None
    except SettingsError as problem:
        config.exit_with(problem)
    main.run(_settings(settings, archive, tracing=config.wants_spans(settings, os.environ)))


def _settings(settings: config.Settings, archive: Archive | None, *, tracing: bool) -> ExecutorSettings:
    return ExecutorSettings(
        redis_url=settings.redis_url,
        access_token=settings.access_token,
        app_names=settings.groups,
        handlers=_names(settings.handlers),
        tags=_names(settings.tags),
        reload=settings.reload,
        concurrency=settings.concurrency,
        async_concurrency=settings.async_concurrency,
        scripts=settings.script_types,
        commands=_names(settings.commands),
        http_hosts=_names(settings.http_hosts),
        rq_url=settings.redis_url if settings.rq_url == "same" else settings.rq_url,
        rq_serializer=settings.rq_serializer,
        rq_hook=settings.rq_hook,
        log_dir=settings.log_dir,
        log_cap_bytes=settings.log_cap_bytes,
        log_retention_days=settings.log_retention_days,
        log_dir_cap_bytes=settings.log_dir_cap_bytes,
        log_archive=archive,
        spool_dir=settings.spool_dir,
        spool_limit_bytes=settings.spool_limit_mb * 1024 * 1024,
        kill_grace_s=settings.kill_grace_s,
        soft_lead_s=settings.soft_timeout_lead_s,
        usual_limits=Limits(settings.max_rss_mb, settings.max_cpu_s),
        wear=Wear(settings.max_runs_per_child, settings.max_child_rss_mb),
        drain_grace_s=settings.drain_grace_s,
        beat_interval_s=settings.beat_interval_s,
        executor_dead_after_s=settings.executor_dead_after_s,
        log_format=settings.log_format,
        tracing=tracing,
        failpoints=settings.failpoints,
    )


def _check(environ: dict[str, str], *, as_json: bool) -> int:
    lines = [Line(Verdict.WARNING, "settings", text) for text in config.unknown_names(environ)]
    try:
        settings = config.load(environ, unneeded=["database_url"])
    except SettingsError as error:
        lines += [Line(Verdict.BAD, "settings", problem) for problem in error.problems]
    else:
        lines += [Line(Verdict.GOOD, "settings", "they can be used")]
        lines += check.look(
            redis_url=settings.redis_url,
            handlers=_names(settings.handlers),
            scripts=settings.script_types,
            log_dir=settings.log_dir,
            spool_dir=settings.spool_dir,
            archive_url=settings.log_archive_url,
            is_production=settings.is_production,
        )
    if as_json:
        print(json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=2))
    else:
        for line in lines:
            print(line)
    return 1 if has_bad(lines) else 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description="One executor.", allow_abbrev=False)
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="whether changed files of handlers are taken up at once (BATON_RELOAD)",
    )
    parser.add_argument(
        "--check", action="store_true", help="look whether an executor could work here; 0 or 1"
    )
    parser.add_argument("--json", action="store_true", help="with --check: print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run())
