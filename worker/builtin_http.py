"""The built-in handler `baton-http`: one HTTP request, judged by its status.

The parameter is JSON: `{"url": …}` and, if wanted, `method`, `headers`, `body` (text) or `json` (a value),
`timeout_s`, `expect` (a list of status codes; else any from 200 to 299), `follow_redirects`. Which hosts
may be called is the choice of the executor's own configuration (`BATON_HTTP_HOSTS`); without one there is
no such handler. `timeout_s` is for all of it, redirects included.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from baton.context import JobContext
from baton.errors import InputError
from baton.outbound import AddressRefused, AllowedHost, open_connection

NAME = "baton-http"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_DEFAULT_TIMEOUT_S = 30.0
_LONGEST_TIMEOUT_S = 3600.0
_READ_BYTES = 1024 * 1024
_SHOWN_BYTES = 4096
_ACROSS_HOSTS = ("authorization", "cookie", "proxy-authorization")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_OUR_HEADERS = frozenset(
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"]
)
"""They say which site is meant, and where the request ends: not for whoever writes a parameter to say."""
_FIELDS = frozenset(["url", "method", "headers", "body", "json", "timeout_s", "expect", "follow_redirects"])


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask, and what is a good answer."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = _DEFAULT_TIMEOUT_S
    expect: tuple[int, ...] = ()
    follow_redirects: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    reason: str
    location: str
    content_type: str
    body: bytes
    """At most a mebibyte of it."""


class HttpJobs:
    """Calls allowed hosts."""

    def __init__(self, allowed: Sequence[AllowedHost]) -> None:
        self._allowed = allowed

    def run(self, context: JobContext) -> dict[str, Any] | None:
        """Send the request in the parameter; answers status, type and size of the response."""
        try:
            request = read_request(context.param)
            response = self._answer(context, request)
        except (InputError, AddressRefused) as problem:
            context.fail(str(problem))
            return None
        except (OSError, http.client.HTTPException) as problem:
            context.fail(f"the request failed: {type(problem).__name__}: {problem}")
            return None
        size = len(response.body)
        more = " or more" if size == _READ_BYTES else ""
        context.log("{} {}, {} bytes{}", response.status, response.reason, size, more)
        if response.body:
            context.log("{}", response.body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))
        good = request.expect or range(200, 300)
        if response.status not in good:
            wanted = ", ".join(map(str, request.expect)) if request.expect else "200 to 299"
            context.fail(f"the answer is {response.status} {response.reason}; expected is {wanted}")
        return {"status": response.status, "content_type": response.content_type, "bytes": size}

    def _answer(self, context: JobContext, request: Request) -> Response:
        give_up_s = time.monotonic() + request.timeout_s
        for _ in range(_MOST_REDIRECTS + 1):
            context.log("{} {}", request.method, request.url)
            response = self._send(request, give_up_s)
            if not (request.follow_redirects and response.status in _REDIRECTS and response.location):
                return response
            request = _redirected(request, response)
        raise InputError(f"more than {_MOST_REDIRECTS} redirects, the last one to {request.url}")

    def _send(self, request: Request, give_up_s: float) -> Response:
        parts = urlsplit(request.url)
        left_s = max(0.001, give_up_s - time.monotonic())
        connection = open_connection(parts.scheme, parts.hostname or "", parts.port, self._allowed, left_s)
        try:
            connection.connect()
            with _cut_off(connection.sock, give_up_s, f"no whole answer within {request.timeout_s:g} s"):
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request(request.method, path, body=request.body, headers=dict(request.headers))
                answer = connection.getresponse()
                return Response(
                    answer.status,
                    answer.reason,
                    answer.getheader("Location", ""),
                    answer.getheader("Content-Type", ""),
                    answer.read(_READ_BYTES),
                )
        finally:
            connection.close()


@contextlib.contextmanager
def _cut_off(connected: socket.socket, give_up_s: float, text: str) -> Iterator[None]:
    """End the conversation at this moment (monotonic), and raise `TimeoutError`.

    A time-out of the socket begins anew with each byte, so a server that sends one now and then would hold
    the run for ever.
    """
    is_over = threading.Event()

    def hang_up() -> None:
        is_over.set()
        with contextlib.suppress(OSError):
            # not SSLSocket.shutdown, which takes the socket from under whoever reads
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, give_up_s - time.monotonic()), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not is_over.is_set():
            raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError(text)


def read_request(param: str) -> Request:
    """The request a parameter describes; raises `InputError` that names what is wrong."""
    try:
        asked = json.loads(param)
    except ValueError as problem:
        raise InputError(f'the parameter is not JSON ({problem}): write {{"url": "https://…"}}') from None
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str):
        raise InputError('the parameter needs a url: write {"url": "https://…"}')
    if strange := sorted(asked.keys() - _FIELDS):
        raise InputError(f"the parameter has {', '.join(strange)}; known are {', '.join(sorted(_FIELDS))}")
    _check_url(asked["url"])
    method = str(asked.get("method", "GET")).upper()
    if method not in _METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(_METHODS)}")
    body, headers = _body(asked, _headers(asked))
    expect = asked.get("expect", [])
    if not isinstance(expect, list) or not all(type(each) is int for each in expect):
        raise InputError("expect must be a list of status codes, as [200, 204]")
    timeout_s = asked.get("timeout_s", _DEFAULT_TIMEOUT_S)
    if type(timeout_s) not in (int, float) or not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        raise InputError(f"timeout_s must be a number of seconds up to {_LONGEST_TIMEOUT_S:g}")
    follows = asked.get("follow_redirects", True)
    if not isinstance(follows, bool):
        raise InputError("follow_redirects must be true or false")
    return Request(asked["url"], method, headers, body, float(timeout_s), tuple(expect), follows)


def _headers(asked: Mapping[str, Any]) -> dict[str, str]:
    headers = asked.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
        raise InputError("headers must be an object of texts")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InputError(f"the header {name[:100]!r} has a character that no header may have")
        if name.lower() in _OUR_HEADERS:
            raise InputError(f"the header {name} is made from the request and cannot be set")
    return headers


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"{url[:200]!r} is not an address: write https://host/path, in plain ASCII")
    if urlsplit(url).username is not None:
        raise InputError("a name and a password do not belong into the url: use the header Authorization")


def _body(asked: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if "body" in asked and "json" in asked:
        raise InputError("give body or json, not both")
    if "json" in asked:
        return json.dumps(asked["json"]).encode(), {"Content-Type": "application/json", **headers}
    body = asked.get("body")
    if body is not None and not isinstance(body, str):
        raise InputError("body must be a text; for a value use json")
    return (None if body is None else body.encode("utf-8", "surrogatepass")), dict(headers)


def _redirected(request: Request, response: Response) -> Request:
    """The request that a redirect asks for; its host is checked like every other."""
    url = urljoin(request.url, response.location)
    _check_url(url)
    if urlsplit(request.url).scheme == "https" and urlsplit(url).scheme == "http":
        raise InputError(f"the redirect to {url} would leave TLS")
    headers = dict(request.headers)
    if urlsplit(url).netloc != urlsplit(request.url).netloc:
        headers = {name: value for name, value in headers.items() if name.lower() not in _ACROSS_HOSTS}
    is_repeated = response.status in (307, 308) or request.method in ("GET", "HEAD")
    if is_repeated:
        return replace(request, url=url, headers=headers)
    return replace(request, url=url, headers=headers, method="GET", body=None)
