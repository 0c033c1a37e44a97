"""Settings: every problem at once, each in words that say how to mend it."""

from __future__ import annotations

import dataclasses

import pytest

import config
from baton import telemetry
from baton.errors import SettingsError

GOOD = {
    "REDIS_URL": "redis://localhost:6379/0",
    "DATABASE_URL": "postgresql://localhost/baton",
    "BATON_ACCESS_TOKEN": "0123456789abcdef0123456789abcdef",
}


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        config.load({**GOOD, **environ})
    return caught.value.problems


def test_three_settings_are_enough():
    settings = config.load(GOOD)

    assert settings.redis_url == GOOD["REDIS_URL"]
    assert settings.is_production, "safe unless somebody says otherwise"
    assert settings.secure_cookies
    assert settings.admin_password == ""


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.load(GOOD).port = 1  # type: ignore[misc]


def test_all_problems_are_named_at_once():
    with pytest.raises(SettingsError) as caught:
        config.load({"BATON_CONCURRENCY": "many", "PORT": "99999", "BATON_LOG_LEVEL": "inf"})

    named = [problem.split()[0] for problem in caught.value.problems]
    assert named == [
        "REDIS_URL",
        "DATABASE_URL",
        "BATON_ACCESS_TOKEN",
        "BATON_CONCURRENCY",
        "PORT",
        "BATON_LOG_LEVEL",
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("REDIS_URL", "http://localhost", "redis://host:6379/0"),
        ("REDIS_URL", "localhost:6379", "redis://host:6379/0"),
        ("DATABASE_URL", "mysql://localhost/baton", "postgresql://"),
        ("BATON_GROUP", "my group", "letters, digits"),
        ("BATON_GROUP", "x" * 65, "1 to 64"),
        ("BATON_CONCURRENCY", "0", "whole number from 1 to 1000"),
        ("BATON_CONCURRENCY", "-1", "whole number from 1 to 1000"),
        ("BATON_CONCURRENCY", "1.5", "whole number from 1 to 1000"),
        ("BATON_CONCURRENCY", "²", "whole number from 1 to 1000"),
        ("PORT", "http", "whole number from 1 to 65535"),
        ("BATON_KILL_GRACE_S", "10s", "seconds from 0 to 3600"),
        ("BATON_KILL_GRACE_S", "inf", "seconds from 0 to 3600"),
        ("BATON_SWEEP_INTERVAL_S", "0", "seconds from 0.1 to 3600"),
        ("BATON_LOG_RETENTION_DAYS", "0", "from 1 to 3650"),
        ("BATON_LOG_LEVEL", "debug", "did you mean DEBUG?"),
        ("BATON_ENV", "prod", "did you mean production?"),
        ("BATON_SECURE_COOKIES", "maybe", "yes or no"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name, value, says):
    (problem,) = problems(**{name: value})

    assert problem.startswith(f"{name} is ")
    assert says in problem


@pytest.mark.parametrize("token", ["default_token", "changeme", "Secret", "short", "admin"])
def test_a_token_that_can_be_guessed_is_refused(token):
    (problem,) = problems(BATON_ACCESS_TOKEN=token)

    assert "secrets.token_hex()" in problem


def test_an_empty_token_counts_as_missing():
    assert "BATON_ACCESS_TOKEN is not set" in problems(BATON_ACCESS_TOKEN="  ")[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATON_ACCESS_TOKEN", "hunter2"),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/x"),
        ("REDIS_URL", "http://:hunter2@localhost"),
    ],
)
def test_a_problem_never_repeats_a_secret(name, value):
    assert "hunter2" not in str(problems(**{name: value}))


def test_a_worker_does_without_a_database():
    environ = {name: value for name, value in GOOD.items() if name != "DATABASE_URL"}

    assert config.load(environ, unneeded=["database_url"]).database_url == ""


def test_a_living_worker_must_not_be_declared_dead_by_the_settings_alone():
    (problem,) = problems(BATON_BEAT_INTERVAL_S="5", BATON_EXECUTOR_DEAD_AFTER_S="10")

    assert "at least 15" in problem


def test_failpoints_are_refused_in_production_only():
    (problem,) = problems(BATON_FAILPOINTS="push.done=kill")
    assert "BATON_ENV=development" in problem

    settings = config.load({**GOOD, "BATON_FAILPOINTS": "push.done=kill", "BATON_ENV": "development"})
    assert settings.failpoints == "push.done=kill"


def test_an_unknown_name_is_warned_about_with_the_nearest_one():
    before = telemetry.count("setting.warning")

    config.load({**GOOD, "BATON_CONCURENCY": "8", "BATON_TEST_REQUIRE_SERVERS": "1"})

    assert config.unknown_names({"BATON_CONCURENCY": "8"}) == [
        "BATON_CONCURENCY is not a setting of Baton and is ignored; did you mean BATON_CONCURRENCY?"
    ]
    assert telemetry.count("setting.warning") == before + 1


def test_the_secret_key_is_made_from_the_access_token_and_does_not_show_it():
    first, second = config.load(GOOD), config.load(GOOD)
    other = config.load({**GOOD, "BATON_ACCESS_TOKEN": "f" * 32})

    assert first.secret_key == second.secret_key, "all web processes must agree"
    assert first.secret_key != other.secret_key
    assert GOOD["BATON_ACCESS_TOKEN"] not in first.secret_key
    assert config.load({**GOOD, "BATON_SECRET_KEY": "mine"}).secret_key == "mine"


def test_a_process_with_unusable_settings_says_so_and_exits_78(capsys):
    with pytest.raises(SystemExit) as caught:
        config.load_or_exit({**GOOD, "PORT": "x"})

    assert caught.value.code == config.EXIT_CONFIG
    assert "  - PORT is 'x': allowed is a whole number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"BATON_OTEL": "1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "BATON_OTEL": "no"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_spans_are_wanted_where_a_collector_is_named_or_somebody_says_so(environ, wanted):
    assert config.wants_spans(config.load({**GOOD, **environ}), environ) is wanted


def test_a_word_that_is_neither_yes_nor_no_nor_auto_is_refused():
    assert problems(BATON_OTEL="perhaps") == ("BATON_OTEL is 'perhaps': allowed is yes, no or auto",)
