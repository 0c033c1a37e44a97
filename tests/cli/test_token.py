from __future__ import annotations

import json

import pytest

from baton.store import api_tokens
from baton.store.engine import make_engine, write
from cli.__main__ import main


@pytest.fixture
def environ(monkeypatch, sqlite_url, tmp_path):
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BATON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BATON_ENV", "development")


def test_a_token_is_printed_once_listed_without_secret_and_revoked(environ, sqlite_url, capsys):
    assert main(["token", "create", "deploy"]) == 0
    secret = capsys.readouterr().out.strip()
    engine = make_engine(sqlite_url)
    with write(engine) as connection:
        assert api_tokens.find(connection, secret).name == "deploy"

    assert main(["token", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert secret not in str(listed)
    assert main(["token", "revoke", str(listed["id"])]) == 0
    with write(engine) as connection:
        assert api_tokens.find(connection, secret) is None
    engine.dispose()


def test_a_token_for_scripts_is_made_on_purpose(environ, capsys):
    main(["token", "create", "deploy"])
    main(["token", "create", "ci", "--scripts"])
    capsys.readouterr()

    main(["token", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    main(["token", "list"])

    assert {each["name"]: each["may_write_scripts"] for each in listed} == {"deploy": False, "ci": True}
    assert capsys.readouterr().out.count("may write scripts") == 1


def test_revoking_what_is_not_there_is_an_error(environ, capsys):
    assert main(["token", "revoke", "7"]) == 1
    assert "there is no token 7" in capsys.readouterr().err
