"""The built-in handlers: a program without a shell, a request that stays where it may go."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import config
from baton import outbound, testing
from baton.outbound import AddressRefused, read_hosts, resolve
from baton.vocabulary import Outcome
from worker import builtin_http
from worker.builtin_command import Commands


def call(run, param: object) -> testing.Ran:
    from baton.handlers import forget, job

    text = param if isinstance(param, str) else json.dumps(param)
    try:
        # a function of this module: `forget` drops it
        return testing.run(job("built-in, tried")(lambda ctx: run(ctx)), param=text)  # noqa: PLW0108
    finally:
        forget(__name__)


HTTP = "http:" + 2 * "/"
"""Before addresses that are no links."""

# the command

SECRET_SETTINGS = [
    each.metadata["name"]
    for each in fields(config.Settings)
    if each.name in config._SECRETS | config._WITH_CREDENTIALS
]


def test_a_program_gets_its_arguments_as_they_are(capfd):
    done = call(Commands(["printf"]).run, ["printf", "%s|", "a b", "$HOME", "; rm -rf x", "`id`", "*"])

    assert done.outcome is Outcome.SUCCEEDED
    assert capfd.readouterr().out == "a b|$HOME|; rm -rf x|`id`|*|"


@pytest.mark.parametrize(
    ("param", "text"),
    [
        (["sh", "-c", "exit 0"], "this executor may not run 'sh'; it may run false, printf"),
        (["false"], "false exited with code 1"),
        ("rsync -a", "the parameter is not JSON"),
        ({"a": 1}, "the parameter is no list of texts"),
        ([], "the parameter is no list of texts"),
        (["printf", 5], "the parameter is no list of texts"),
        (["printf", "a\0b"], "no argument has a NUL character"),
        (["./printf"], "may not run './printf'"),
        (["/usr/bin/printf"], "may not run '/usr/bin/printf'"),
        ('["printf", "\\ud800"]', "printf cannot be given its arguments"),
        (["printf", "x" * 200_000], "its arguments have 200,"),
    ],
)
def test_what_does_not_run_says_why(param, text):
    done = call(Commands(["printf", "false"]).run, param)

    assert done.outcome is Outcome.FAILED
    assert text in done.message


def test_an_allowed_program_that_is_not_there_is_named():
    assert "there is no program 'no-such-program'" in call(Commands(["any"]).run, ["no-such-program"]).message


def test_a_program_does_not_learn_the_secrets_of_baton(capfd, monkeypatch):
    for name in SECRET_SETTINGS:
        monkeypatch.setenv(name, "the secret")
    monkeypatch.setenv("SHOP_TOKEN", "of the shop")

    call(Commands(["env"]).run, ["env"])

    said = capfd.readouterr().out
    assert "of the shop" in said
    assert "the secret" not in said


def test_the_handlers_are_there_only_where_they_may_do_something(world):
    world.start(BATON_COMMANDS="echo")

    assert world.ending(world.push("baton-command", '["echo", "hello"]')).outcome == "succeeded"
    assert "job handler [baton-http] not found" in world.ending(world.push("baton-http", "{}")).handle_msg


# the request


class Answers(BaseHTTPRequestHandler):
    """`/<status>` answers with it, `/to?<url>` redirects there, `/echo` says what was asked."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/echo":
            self._answer(200, json.dumps({"method": self.command, **dict(self.headers.items())}))
        elif path in ("/to", "/again"):
            self._answer(307 if path == "/again" else 302, "", query)
        else:
            self._answer(int(path.strip("/")), "a body")

    do_POST = do_GET  # noqa: N815 - what the standard library calls

    def _answer(self, status: int, body: str, location: str = "") -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        content = (body + asked.decode()).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as answering:
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        yield answering.server_port
        answering.shutdown()
        thread.join()


def jobs(*hosts: str) -> builtin_http.HttpJobs:
    return builtin_http.HttpJobs(read_hosts(hosts))


def test_a_request_is_judged_by_its_status(server):
    http = jobs(f"private:127.0.0.1:{server}")

    good = call(http.run, {"url": f"http://127.0.0.1:{server}/204"})
    bad = call(http.run, {"url": f"http://127.0.0.1:{server}/503"})
    expected = call(http.run, {"url": f"http://127.0.0.1:{server}/404", "expect": [404]})

    assert (good.outcome, good.result["status"]) == (Outcome.SUCCEEDED, 204)
    assert bad.outcome is Outcome.FAILED
    assert "the answer is 503 Service Unavailable; expected is 200 to 299" in bad.message
    assert "a body" in "\n".join(bad.log)
    assert expected.outcome is Outcome.SUCCEEDED


def test_a_value_is_sent_as_json_and_headers_go_along(server):
    asked = {
        "url": f"http://127.0.0.1:{server}/echo",
        "method": "post",
        "json": {"a": 1},
        "headers": {"X-Who": "me"},
    }

    log = "\n".join(call(jobs("private:127.0.0.1").run, asked).log)

    assert '"method": "POST"' in log
    assert '"X-Who": "me"' in log
    assert '"Content-Type": "application/json"' in log
    assert log.endswith('{"a": 1}')


def test_a_redirect_is_followed_where_it_may_lead_and_secrets_stay_behind(server):
    http = jobs(f"private:127.0.0.1:{server}", f"private:localhost:{server}")
    here, there = f"http://127.0.0.1:{server}", f"http://localhost:{server}"
    secret = {"Authorization": "secret", "X-Other": "kept"}

    same = call(http.run, {"url": f"{here}/to?{here}/echo", "headers": secret})
    other = call(
        http.run, {"url": f"{here}/to?{there}/echo", "headers": secret, "method": "POST", "body": "x"}
    )
    repeated = call(http.run, {"url": f"{here}/again?{here}/echo", "method": "POST", "body": "x"})
    stopped = call(http.run, {"url": f"{here}/to?{here}/echo", "follow_redirects": False})
    endless = call(http.run, {"url": f"{here}/to?/to?/to"})

    assert '"Authorization": "secret"' in "\n".join(same.log)
    assert "secret" not in "\n".join(other.log)
    assert '"X-Other": "kept"' in "\n".join(other.log)
    assert '"method": "GET"' in "\n".join(other.log)
    assert '"method": "POST"' in "\n".join(repeated.log)
    assert "the answer is 302" in stopped.message
    assert endless.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "target",
    [
        HTTP + "169.254.169.254/latest",
        HTTP + "127.0.0.1:1/",
        HTTP + "[::1]/",
        "file:///etc/passwd",
        HTTP + "10.0.0.1",
    ],
)
def test_a_redirect_into_another_network_is_not_followed(server, target):
    done = call(jobs(f"private:127.0.0.1:{server}").run, {"url": f"http://127.0.0.1:{server}/to?{target}"})

    assert done.outcome is Outcome.FAILED
    assert "may not be called" in done.message or "is not an address" in done.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a9fe:a9fe::", "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1:7f00:1::808:808",
        "2001:0:7f00:1::80ff:fffe", "192.0.0.8", "192.88.99.1", "2001:20::1", "3fff::1", "5f00::1", "100::1",
    ],
)  # fmt: skip
def test_what_is_not_the_open_internet_is_recognised(address):
    assert not outbound.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_the_open_internet_is_recognised(address):
    assert outbound.is_public(address)


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """What names stand for; asked only once per request."""
    known: dict[str, list[str]] = {}
    really = socket.getaddrinfo

    def lookup(host: str, port: int, *arguments: int, **named: int):
        if host not in known:
            return really(host, port, *arguments, **named)
        answers = known[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", lookup)
    return known


def test_a_name_that_stands_for_a_private_address_is_refused(names):
    names["api.example.org"] = ["192.168.0.7"]

    with pytest.raises(AddressRefused, match=r"list it as private:api\.example\.org"):
        resolve("api.example.org", 443, read_hosts(["api.example.org"]))


def test_a_name_that_changes_its_mind_gains_nothing(names, server):
    names["api.example.org"] = ["127.0.0.1"]  # a second look would find no answer at all
    http = jobs(f"private:api.example.org:{server}")

    assert call(http.run, {"url": f"http://api.example.org:{server}/200"}).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("entry", "host", "port", "may"),
    [
        ("api.example.org", "api.example.org", 443, True),
        ("api.example.org", "API.example.org.", 80, True),
        ("api.example.org", "evil-api.example.org", 443, False),
        ("api.example.org", "api.example.org.evil.net", 443, False),
        ("*.example.org", "deep.api.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("api.example.org:8443", "api.example.org", 443, False),
    ],
)
def test_which_hosts_an_entry_is_about(names, entry, host, port, may):
    names[host.lower().rstrip(".")] = ["93.184.216.34"]

    if may:
        assert resolve(host, port, read_hosts([entry])) == "93.184.216.34"
    else:
        with pytest.raises(AddressRefused, match="BATON_HTTP_HOSTS"):
            resolve(host, port, read_hosts([entry]))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "localhost"])
def test_other_spellings_of_this_machine_are_no_allowed_hosts(host):
    done = call(jobs("api.example.org").run, {"url": f"http://{host}/"})

    assert done.outcome is Outcome.FAILED
    assert "may not be called" in done.message


@pytest.mark.parametrize(
    ("param", "text"),
    [
        ("https://example.org", "the parameter is not JSON"),
        ("{}", "the parameter needs a url"),
        ({"url": "ftp://example.org"}, "is not an address"),
        ({"url": HTTP + "me:secret@example.org"}, "use the header Authorization"),
        ({"url": "http://example.org/a b"}, "is not an address"),
        ({"url": "http://example.org", "methd": "GET"}, "the parameter has methd; known are body, expect"),
        ({"url": "http://example.org", "method": "BREW"}, "method 'BREW' is not one of"),
        ({"url": HTTP + "exämple.org"}, "is not an address"),
        ({"url": "http://example.org", "headers": {"a": 1}}, "headers must be an object of texts"),
        ({"url": "http://example.org", "headers": {"a": "1\r\nb: 2"}}, "has a character that no header"),
        ({"url": "http://example.org", "headers": {"a\r\nb": "2"}}, "has a character that no header"),
        ({"url": "http://example.org", "headers": {"a": "日"}}, "has a character that no header"),
        ({"url": "http://example.org", "headers": {"HOST": "intranet"}}, "the header HOST is made from"),
        (
            {"url": "http://example.org", "headers": {"Transfer-Encoding": "chunked"}},
            "Transfer-Encoding is made from the request",
        ),
        ({"url": "http://example.org", "body": "a", "json": 1}, "give body or json, not both"),
        ({"url": "http://example.org", "expect": ["200"]}, "expect must be a list of status codes"),
        ({"url": "http://example.org", "timeout_s": 0}, "timeout_s must be a number of seconds"),
    ],
)
def test_a_parameter_that_makes_no_sense_says_what_is_wrong(param, text):
    done = call(jobs("example.org").run, param)

    assert done.outcome is Outcome.FAILED
    assert text in done.message


def test_a_server_that_does_not_answer_in_time_fails_the_run():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        done = call(jobs("private:127.0.0.1").run, {"url": f"http://127.0.0.1:{port}/", "timeout_s": 0.2})

    assert done.outcome is Outcome.FAILED
    assert "the request failed: TimeoutError" in done.message


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server that sends a byte of its answer now and then, and never comes to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def drip() -> None:
            connected, _ = listening.accept()
            with connected, contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    connected.sendall(b"HTTP/1.1 200 OK\r\nX-Some: ")

        thread = threading.Thread(target=drip)
        thread.start()
        yield listening.getsockname()[1]
        stop.set()
        thread.join()


def test_a_server_that_keeps_a_request_alive_for_ever_is_cut_off(dripping):
    done = call(jobs("private:127.0.0.1").run, {"url": f"http://127.0.0.1:{dripping}/", "timeout_s": 0.5})

    assert done.outcome is Outcome.FAILED
    assert "TimeoutError: no whole answer within 0.5 s" in done.message
