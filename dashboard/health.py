"""For those who watch the installation: does the process live, can it work, how does everything go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from flask import Blueprint, Response, jsonify, request
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from baton.broker import tally
from baton.errors import MessageError, NewerSchema
from baton.store.engine import pending_migrations, read
from baton.store.groups import GroupView

from .exposition import exposition
from .queries import gauges
from .queries.gauges import OfRows, Sample
from .resources import Resources, resources

T = TypeVar("T")

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Response:
    """The process answers. Needs nothing but the process: a restart mends nothing else."""
    return Response("ok\n", mimetype="text/plain")


@health.get("/readyz")
def readyz() -> tuple[Response, int]:
    """SQL and Redis answer in time, and the tables are those of this version."""
    here = resources()
    # both at once: a probe waits for the slower one, not for one after the other
    database = here.in_time.begin("ready database", lambda: _database(here))
    redis = here.in_time.begin("ready redis", lambda: _redis(here))
    wait([database, redis], here.options.ready_within_s)
    states = {"database": _state(database), "redis": _state(redis)}
    is_ready = all(state == "ok" for state in states.values())
    return jsonify(states), 200 if is_ready else 503


@health.get("/metrics")
def metrics() -> Response:
    """All series. What a store that does not answer would say is left out, and `baton_up` says which."""
    here = resources()
    now_ms = here.now_ms()
    rows = _answer(here, "metrics database", lambda: _rows(here, now_ms))
    known = rows.groups if rows else ()
    said = _answer(here, "metrics redis", lambda: _said(here, known, now_ms))
    lanes = _answer(here, "metrics lanes", lambda: _lanes(here, rows, now_ms)) if rows and said else None
    about = [
        gauges.INFO.at(1, here.options.version),
        gauges.UP.at(rows is not None, "database"),
        gauges.UP.at(said is not None, "redis"),
    ]
    totals, of_redis = said or ({}, [])
    samples = [*about, *(rows.samples if rows else ()), *of_redis, *(lanes or ())]
    names = [group.app_name for group in known]
    body, content_type = exposition(totals, samples, names, request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)


def _state(answer: Future[str]) -> str:
    return answer.result() if answer.done() else "does not answer in time"


def _database(here: Resources) -> str:
    try:
        with read(here.engine) as connection:
            connection.execute(text("select 1"))
        return "not migrated" if pending_migrations(here.engine) else "ok"
    except NewerSchema:
        return "migrated by a newer version"
    except SQLAlchemyError:
        return "away"


def _redis(here: Resources) -> str:
    try:
        here.redis.ping()
    except RedisError:
        return "away"
    return "ok"


def _answer(here: Resources, name: str, question: Callable[[], T]) -> T | None:
    try:
        return here.in_time.ask(name, question, within_s=here.options.measured_within_s)
    except (TimeoutError, RedisError, SQLAlchemyError, MessageError):
        return None


def _rows(here: Resources, now_ms: int) -> OfRows:
    with read(here.engine) as connection:
        return gauges.of_rows(connection, now_ms)


def _said(here: Resources, known: Sequence[GroupView], now_ms: int) -> tuple[dict[str, int], list[Sample]]:
    silent_after_s = here.options.executor_dead_after_s
    totals = tally.totals(here.redis, [group.app_name for group in known])
    return totals, gauges.of_redis(here.redis, known, now_ms, silent_after_s=silent_after_s)


def _lanes(here: Resources, rows: OfRows, now_ms: int) -> list[Sample]:
    with read(here.engine) as connection:
        return gauges.of_lanes(connection, here.redis, rows, now_ms)
