"""The outside world of alarms, on this machine: a mail server and a webhook that count."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Mails:
    """A mail server; `refusals` of the next mails are refused."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.refusals = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port)

    async def handle_DATA(self, _server, _session, envelope) -> str:
        if self.refusals > 0:
            self.refusals -= 1
            return "451 not now"
        self.received.append(message_from_bytes(envelope.content))
        return "250 taken"

    @property
    def url(self) -> str:
        """Its Apprise address."""
        return f"mailto://127.0.0.1:{self._port}?from=baton@example.com&to=ops@example.com&mode=insecure"

    @property
    def subjects(self) -> list[str]:
        return [" ".join(str(mail["Subject"]).split()) for mail in self.received]


@contextmanager
def mail_server() -> Iterator[Mails]:
    mails = Mails()
    mails._controller.start()
    try:
        yield mails
    finally:
        mails._controller.stop()


class Hooks:
    """A webhook; `refusals` of the next calls are refused."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.refusals = 0
        self.redirect_to = ""
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alarms?from=baton"

    @property
    def told(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, body in self.received]


@contextmanager
def webhook() -> Iterator[Hooks]:
    hooks = Hooks()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hooks.asked += 1
            hooks.may_answer.wait(30)
            if hooks.redirect_to:
                self.send_response(302)
                self.send_header("Location", hooks.redirect_to)
            elif hooks.refusals > 0:
                hooks.refusals -= 1
                self.send_response(503)
            else:
                hooks.received.append((dict(self.headers.items()), body))
                self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        hooks.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hooks
        finally:
            server.shutdown()
            thread.join()
