"""The web process: pages for people. `create_app` builds it from plain values and clients."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, g, request, url_for
from redis import Redis
from sqlalchemy import Engine
from werkzeug.routing import IntegerConverter

from baton.archive import Archive
from baton.clock import SYSTEM_CLOCK, Clock
from baton.in_time import InTime

from . import access, counting, errors, filters, security
from .api import api
from .breaker import Breaker
from .forms.trigger import new_token
from .health import health
from .live import live_pages
from .options import Options
from .pages.alarms import alarms_pages
from .pages.api_tokens import api_tokens_pages
from .pages.backfills import backfills_pages
from .pages.calendars import calendars_pages
from .pages.cancellations import cancellations
from .pages.clean_ups import clean_ups
from .pages.drains import drains
from .pages.executors import executors_pages, groups_pages
from .pages.failed_callbacks import failed_callbacks_pages
from .pages.findings import findings_pages
from .pages.jobs import jobs_pages
from .pages.overview import overview
from .pages.reports import reports_pages
from .pages.run_logs import run_logs_pages
from .pages.runs import runs_pages
from .pages.scripts import scripts_pages
from .pages.sessions import sessions
from .pages.triggers import triggers_pages
from .queries.run_list import LARGEST_ID
from .resources import Resources
from .streams import Streams
from .throttle import Throttle

__all__ = ["Options", "create_app"]

_NOUNS = (
    health,
    sessions,
    overview,
    reports_pages,
    jobs_pages,
    scripts_pages,
    triggers_pages,
    runs_pages,
    run_logs_pages,
    clean_ups,
    cancellations,
    live_pages,
    executors_pages,
    groups_pages,
    drains,
    failed_callbacks_pages,
    alarms_pages,
    findings_pages,
    calendars_pages,
    backfills_pages,
    api_tokens_pages,
    api,
)


def create_app(
    options: Options,
    *,
    engine: Engine,
    redis: Redis,
    blocking_redis: Redis,
    clock: Clock = SYSTEM_CLOCK,
    archive: Archive | None = None,
) -> Flask:
    """The application. Clients are used from several threads; nothing is asked of them before a request."""
    app = Flask(__name__)
    app.url_map.converters["id"] = _RowId
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Resources(
        options=options,
        engine=engine,
        redis=redis,
        blocking_redis=blocking_redis,
        clock=clock,
        breaker=Breaker(clock),
        streams=Streams(options.max_streams),
        throttle=Throttle(clock),
        in_time=InTime(),
        archive=archive,
    ).install(app)
    # in this order: who asks must be known before it is asked whether the form was made for them
    security.install(app, options)
    access.install(app)
    security.install_form_guard(app)
    filters.install(app)
    errors.install(app)
    counting.install(app)
    for noun in _NOUNS:
        app.register_blueprint(noun)
    _give_templates(app, options)
    return app


class _RowId(IntegerConverter):
    """A number that a row can have: the database never sees a larger one."""

    def __init__(self, url_map: object) -> None:
        super().__init__(url_map, min=1, max=LARGEST_ID)  # type: ignore[arg-type]


def _give_templates(app: Flask, options: Options) -> None:
    @app.context_processor
    def what_every_page_shows() -> dict[str, object]:
        return {
            "person": g.get("person"),
            "redis_is_away": lambda: g.get("redis_is_away", False),
            "installation": options.label,
            "version": options.version,
            "here": request.full_path.removesuffix("?"),
        }

    @cache
    def fingerprint(filename: str) -> str:
        content = (Path(str(app.static_folder)) / filename).read_bytes()
        return hashlib.sha256(content).hexdigest()[:12]

    app.jinja_env.globals["new_token"] = new_token

    @app.template_global()
    def asset(filename: str) -> str:
        # the address changes with the content: browsers may keep it for good
        return url_for("static", filename=filename, v=fingerprint(filename))
