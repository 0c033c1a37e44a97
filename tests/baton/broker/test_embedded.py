"""A private redis-server: its data outlives it, it never outlives its owner."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from baton.broker import embedded
from baton.broker.client import connect
from baton.broker.embedded import EmbeddedRedis
from baton.errors import BrokerError
from tests.processes import is_alive
from tests.waiting import until


@pytest.fixture(params=["embedded", "installed"])
def program(request) -> str:
    found = embedded.wheel_program() if request.param == "embedded" else embedded.installed_program()
    if not found:
        pytest.skip(f"the {request.param} redis-server is not there")
    return found


def test_data_survives_a_stop_and_a_kill(own_redis, program):
    first = own_redis(program=program)
    with connect(first.url) as client:
        client.set("kept", "through stop")
    first.stop()

    second = own_redis(program=program)
    with connect(second.url) as client:
        assert client.get("kept") == b"through stop"
        client.set("kept", "through kill")
        # everysec: what was written is safe from kill -9 at once, from a power cut after a second
    second.kill()

    third = own_redis(program=program)
    with connect(third.url) as client:
        assert client.get("kept") == b"through kill"
    assert first.url == second.url == third.url, "clients must find a restarted server again"


def test_it_is_there_when_its_data_is_loaded(own_redis, program, tmp_path):
    (tmp_path / "redis").mkdir()
    count = 300_000
    with (tmp_path / "redis" / "appendonly.aof").open("w") as file:
        for number in range(count):
            file.write(f"*3\r\n$3\r\nSET\r\n${len(str(number))}\r\n{number}\r\n$1\r\n1\r\n")

    with connect(own_redis(program=program).url) as client:
        assert client.eval("return redis.call('DBSIZE')", 0) == count


def test_it_is_configured_to_lose_nothing(own_redis, program):
    with connect(own_redis(program=program).url) as client:
        config = client.config_get("*")

    assert config["appendonly"] == "yes"
    assert config["appendfsync"] == "everysec"
    assert config["maxmemory-policy"] == "noeviction"
    assert config["save"] == ""
    assert config["port"] == "0", "it must not be reachable over the network"


def test_nobody_else_may_come_near_it(own_redis, tmp_path):
    own_redis("private")

    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "private" / "redis.sock").stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_moves_the_socket_only(own_redis, tmp_path):
    deep = "/".join(["a-folder-with-a-long-name"] * 6)

    first = own_redis(deep)
    first.stop()
    again = own_redis(deep)

    assert len(again.url) < 108
    assert first.url == again.url
    assert (tmp_path / deep / "appendonlydir").exists() or (tmp_path / deep / "appendonly.aof").exists()
    folder = Path(again.url.removeprefix("unix://")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    again.stop()
    assert not folder.exists()


def test_two_servers_never_share_data(own_redis, tmp_path):
    own_redis()

    with pytest.raises(BrokerError, match=f"in use by process {os.getpid()}"):
        EmbeddedRedis.start(tmp_path / "redis")


def test_it_dies_with_an_owner_that_was_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from baton.broker.embedded import EmbeddedRedis;"
        "print(EmbeddedRedis.start(Path(sys.argv[1])).pid, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "redis")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    with owner:
        server = int(owner.stdout.readline())
        assert is_alive(server)
        owner.send_signal(signal.SIGKILL)

    until(lambda: not is_alive(server), 10, "the server to follow its owner")


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(BrokerError, match="ended while starting"):
        EmbeddedRedis.start(tmp_path / "redis", program="/bin/false")


def test_without_any_program_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(BrokerError, match=r"redis-server nor valkey-server is on PATH.*REDIS_URL"):
        embedded.find_program()
