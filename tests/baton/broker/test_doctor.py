"""Start-up checks: what is wrong with a Redis, in words a person can act on."""

from __future__ import annotations

import pytest

from baton.broker import doctor
from baton.clock import SYSTEM_CLOCK
from baton.errors import BrokerError


def texts(findings) -> str:
    return "\n".join(finding.text for finding in findings)


def serious(findings) -> str:
    return texts(finding for finding in findings if finding.serious)


@pytest.fixture
def client(own_redis):
    from baton.broker.client import connect

    with connect(own_redis().url) as client:
        yield client


def test_the_embedded_server_may_serve(client):
    findings = doctor.examine(client, now_ms=SYSTEM_CLOCK.now_ms())

    assert serious(findings) == ""


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("appendonly", "no", "appendonly yes"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy noeviction"),
    ],
)
def test_a_server_that_forgets_is_refused_in_production_and_warned_about_in_development(
    client, setting, value, says
):
    client.config_set(setting, value)
    now_ms = SYSTEM_CLOCK.now_ms()

    assert says in texts(doctor.check(client, now_ms=now_ms, production=False))
    with pytest.raises(BrokerError, match=says):
        doctor.check(client, now_ms=now_ms, production=True)


def test_a_replica_is_found(client):
    client.replicaof("127.0.0.1", "1")

    assert "primary" in serious(doctor.examine(client, now_ms=SYSTEM_CLOCK.now_ms()))


def test_a_clock_that_differs_is_found(client):
    findings = doctor.examine(client, now_ms=SYSTEM_CLOCK.now_ms() - 60_000)

    assert "60.0 s ahead of" in serious(findings)


@pytest.mark.parametrize(
    ("info", "says", "grave"),
    [
        ({"redis_version": "6.0.16"}, "6.2 or later", True),
        ({"redis_version": "6.2.14"}, "known holes", False),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "valkey 8.0.1 has known holes", False),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.0"}, "", False),
        ({"redis_version": "8.4.0"}, "", False),
    ],
)
def test_versions(info, says, grave):
    findings = doctor._of_version(info)

    assert says in texts(findings)
    assert bool(findings) is bool(says)
    assert all(finding.serious is grave for finding in findings)


def test_a_server_that_is_too_old_is_refused_in_development_too(client, monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_VERSION", (99, 0))

    with pytest.raises(BrokerError, match="cannot be used"):
        doctor.check(client, now_ms=SYSTEM_CLOCK.now_ms(), production=False)


def test_an_open_door_on_the_network_is_found():
    assert "password" in texts(doctor._of_access("default nopass", over_network=True))
    assert doctor._of_access("default nopass", over_network=False) == []
    assert doctor._of_access("baton", over_network=True) == []


def test_no_answer_is_a_clear_error(own_redis):
    from baton.broker.client import connect

    server = own_redis()
    with connect(server.url) as client:
        server.kill()
        with pytest.raises(BrokerError, match=r"Redis does not answer.*REDIS_URL"):
            doctor.examine(client, now_ms=0)
