"""Start-up checks: what is wrong with a Redis, in words a person can act on."""

from __future__ import annotations

import pytest

from baton.broker import doctor
from baton.broker.client import connect
from baton.checkup import Line, Verdict, has_bad
from baton.clock import SYSTEM_CLOCK
from baton.errors import BrokerError
from tests.clocks import FakeClock


def examine(client, clock=SYSTEM_CLOCK, *, is_production=True) -> dict[str, str]:
    """What it says of each subject, without what is good."""
    lines = doctor.examine(client, is_production=is_production, clock=clock)
    return {f"{line.verdict} {line.subject}": line.text for line in lines if line.verdict != Verdict.GOOD}


@pytest.fixture
def client(own_redis):
    with connect(own_redis().url) as client:
        yield client


def test_the_embedded_server_may_serve_and_each_thing_has_its_line(client):
    lines = doctor.examine(client, is_production=True)

    assert not has_bad(lines)
    assert {line.subject for line in lines} == {
        "redis version", "redis persistence", "redis eviction", "redis memory", "redis clock",
        "redis access", "redis scripting",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "value", "subject", "says"),
    [
        ("appendonly", "no", "redis persistence", "appendonly yes"),
        ("maxmemory-policy", "allkeys-lru", "redis eviction", "maxmemory-policy noeviction"),
    ],
)
def test_a_server_that_forgets_is_refused_in_production_and_warned_about_in_development(
    client, setting, value, subject, says
):
    client.config_set(setting, value)

    assert says in examine(client, is_production=False)[f"warning {subject}"]
    assert doctor.check(client, is_production=False)
    with pytest.raises(BrokerError, match=says):
        doctor.check(client, is_production=True)


def test_processes_do_not_begin_where_keys_are_evicted_but_without_an_append_only_file(own_redis):
    url = own_redis().url
    with connect(url) as client:
        client.config_set("appendonly", "no")
        assert doctor.reasons_to_refuse(url, is_production=True) == []

        client.config_set("maxmemory-policy", "allkeys-lru")
        [reason] = doctor.reasons_to_refuse(url, is_production=True)
        assert "maxmemory-policy noeviction" in reason
        assert doctor.reasons_to_refuse(url, is_production=False) == []


def test_a_server_that_does_not_answer_is_waited_for():
    assert doctor.reasons_to_refuse("redis://127.0.0.1:1", is_production=True) == []


def test_a_replica_is_found_and_refused_everywhere(client):
    client.replicaof("127.0.0.1", "1")

    with pytest.raises(BrokerError, match="primary"):
        doctor.check(client, is_production=False)


def test_memory_that_is_short_is_told_before_writes_are_refused(client):
    assert "set maxmemory" in examine(client)["warning redis memory"]
    client.config_set("maxmemory", client.info("memory")["used_memory"])

    assert "before writes are refused" in examine(client)["warning redis memory"]


@pytest.mark.parametrize(("by_s", "says"), [(-60, "s ahead of this"), (60, "s behind this")])
def test_a_clock_that_differs_is_found(client, by_s, says):
    clock = FakeClock(wall_ms=SYSTEM_CLOCK.now_ms() + by_s * 1000)

    assert says in examine(client, clock)["bad redis clock"]
    assert says in examine(client, clock, is_production=False)["warning redis clock"]


@pytest.mark.parametrize(
    ("info", "verdict", "says"),
    [
        ({"redis_version": "6.0.16"}, "bad", "6.2 or later"),
        ({"redis_version": "6.2.14"}, "warning", "known holes"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "warning", "valkey 8.0.1 has known holes"),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.0"}, "good", "valkey 9.0.0"),
        ({"redis_version": "8.4.0"}, "good", "redis 8.4.0"),
    ],
)
def test_versions(info, verdict, says):
    line = doctor._of_version(info)

    assert line.verdict == verdict
    assert says in line.text


def test_a_server_that_is_too_old_is_refused_in_development_too(client, monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_VERSION", (99, 0))

    with pytest.raises(BrokerError, match="cannot be used"):
        doctor.check(client, is_production=False)


def test_an_open_door_on_the_network_is_found():
    def line(user: str, *, over_network: bool) -> Line:
        return doctor._of_access(user, over_network=over_network, is_production=True)

    assert "password" in line("default nopass", over_network=True).text
    assert line("default nopass", over_network=True).verdict is Verdict.BAD
    assert line("default nopass", over_network=False).verdict is Verdict.GOOD
    assert line("baton", over_network=True).verdict is Verdict.GOOD


def test_no_answer_is_a_clear_error(own_redis):
    server = own_redis()
    with connect(server.url) as client:
        server.kill()
        with pytest.raises(BrokerError, match=r"Redis does not answer.*REDIS_URL"):
            doctor.examine(client, is_production=False)
