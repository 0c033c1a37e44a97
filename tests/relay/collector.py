"""A collector of spans, as an installation meets it: OTLP over HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One span as it came."""

    name: str
    service: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    """Trace id and span id."""
    began_ns: int
    ended_ns: int
    facts: dict[str, Any]
    problem: str
    exceptions: tuple[str, ...]


class Collector:
    """Listens on a free port of this machine."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer._spans += _spans(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def named(self, name: str) -> list[Span]:
        """The spans of this name, in the order of their beginnings."""
        return sorted((span for span in self._spans if span.name == name), key=lambda span: span.began_ns)

    def of_row(self, log_id: int) -> dict[str, Span]:
        """Baton's own spans of one row, by the first word of their name."""
        own = [span for span in self._spans if span.facts.get("baton.log_id") == log_id]
        return {span.name.partition(" ")[0]: span for span in own}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            name=span.name,
            service=_values(of_resource.resource.attributes)["service.name"],
            kind=span.kind,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            began_ns=span.start_time_unix_nano,
            ended_ns=span.end_time_unix_nano,
            facts=_values(span.attributes),
            problem=span.status.message,
            exceptions=tuple(_values(event.attributes)["exception.message"] for event in span.events),
        )
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
