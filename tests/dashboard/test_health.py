"""For those who watch the process."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import create_engine, text

from baton.store.engine import write

from .site import Site


@pytest.fixture
def silent_url():
    """Somebody who takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"redis://127.0.0.1:{silent.getsockname()[1]}"


def test_a_process_that_lives_says_so_to_anybody(plain_site):
    response = plain_site.anonymous().get("/healthz")

    assert (response.status_code, response.text) == (200, "ok\n")
    assert "Set-Cookie" not in response.headers


def test_ready_means_that_both_stores_answer_and_the_tables_are_ours(site):
    response = site.anonymous().get("/readyz")

    assert (response.status_code, response.json) == (200, {"database": "ok", "redis": "ok"})


@pytest.mark.parametrize(
    ("database", "redis", "expected"),
    [
        ("sqlite://", None, {"database": "not migrated", "redis": "ok"}),
        ("sqlite:////no/such/folder/baton.db", None, {"database": "away", "redis": "ok"}),
        (None, "redis://127.0.0.1:1", {"database": "ok", "redis": "away"}),
        (None, "silent", {"database": "ok", "redis": "does not answer in time"}),
    ],
)
def test_what_is_missing_is_named_and_the_process_still_lives(
    sqlite_engine, one_redis_url, silent_url, database, redis, expected
):
    engine = create_engine(database) if database else sqlite_engine
    redis = silent_url if redis == "silent" else redis
    site = Site(engine, redis or one_redis_url, {"ready_within_s": 0.5})
    stranger = site.anonymous()

    response = stranger.get("/readyz")

    assert (response.status_code, response.json) == (503, expected)
    assert stranger.get("/healthz").status_code == 200
    site.close()


def test_a_database_that_a_newer_version_migrated_is_not_ready(site):
    with write(site.engine) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))

    response = site.anonymous().get("/readyz")

    assert response.status_code == 503
    assert response.json["database"] == "migrated by a newer version"


def test_a_database_that_was_never_migrated_is_said_in_a_sentence(one_redis_url):
    site = Site(create_engine("sqlite://"), one_redis_url)

    response = site.anonymous().get("/sign-in")

    assert response.status_code == 503
    assert "baton migrate" in response.text
    assert "Traceback" not in response.text
    site.close()
