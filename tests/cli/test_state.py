"""The state folder: made once, private, and outranked by the environment."""

from __future__ import annotations

import stat

import pytest

import config
from baton.errors import InputError
from cli import state


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    return {"BATON_STATE_DIR": str(tmp_path / "state")}


def test_the_folder_and_its_secrets_belong_to_their_owner_only(environ):
    folder = state.prepare(environ)

    assert mode_of(folder) == 0o700
    assert mode_of(folder / "access_token") == mode_of(folder / "secret_key") == 0o600
    assert (folder / "access_token").read_text() != (folder / "secret_key").read_text()


def test_secrets_are_made_once(environ):
    first = (state.prepare(environ) / "access_token").read_text()

    assert (state.prepare(environ) / "access_token").read_text() == first


def test_what_it_says_is_enough_to_start(environ):
    folder = state.prepare(environ)
    state.remember_redis(folder, "unix:///somewhere/redis.sock")

    settings = config.load(state.environment(environ))

    assert settings.redis_url == "unix:///somewhere/redis.sock"
    assert settings.database_url == f"sqlite:///{folder}/baton.db"
    assert len(settings.access_token) == 64
    assert not settings.is_production
    assert not settings.secure_cookies, "plain HTTP on this machine"


def test_the_environment_outranks_it(environ):
    state.prepare(environ)
    given = {**environ, "DATABASE_URL": "postgresql://localhost/x", "BATON_ACCESS_TOKEN": "f" * 32}

    found = state.environment(given)

    assert found["DATABASE_URL"] == "postgresql://localhost/x"
    assert found["BATON_ACCESS_TOKEN"] == "f" * 32


def test_an_empty_value_does_not_count_as_given(environ):
    state.prepare(environ)

    assert state.environment({**environ, "DATABASE_URL": ""})["DATABASE_URL"].startswith("sqlite:///")


def test_without_the_folder_nothing_is_added(environ):
    assert state.environment(environ) == environ


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="BATON_STATE_DIR"):
        state.prepare({"BATON_STATE_DIR": str(tmp_path / "file" / "state")})
