"""For those who watch the process: does it live, can it work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from baton.store.engine import pending_migrations, read

from .resources import resources

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Response:
    """The process answers. Needs nothing but the process: a restart mends nothing else."""
    return Response("ok\n", mimetype="text/plain")


@health.get("/readyz")
def readyz() -> tuple[Response, int]:
    """SQL and Redis answer, and the tables are those of this version."""
    states = {"database": _database(), "redis": _redis()}
    is_ready = all(state == "ok" for state in states.values())
    return jsonify(states), 200 if is_ready else 503


def _database() -> str:
    try:
        with read(resources().engine) as connection:
            connection.execute(text("select 1"))
        return "not migrated" if pending_migrations(resources().engine) else "ok"
    except SQLAlchemyError:
        return "away"


def _redis() -> str:
    try:
        resources().redis.ping()
    except RedisError:
        return "away"
    return "ok"
