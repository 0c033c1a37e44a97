"""Spans by OpenTelemetry: the only module that imports it, imported only where spans are wanted.

Everything about the way of the spans is OpenTelemetry's own: its `OTEL_…` variables name the collector,
the headers, the sampler and the sizes of the queues. Spans are handed over by a thread of the SDK; a
collector that is away costs the spans that find no room, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from .spans import Facts, Kind, Place, Told

_QUEUE_SPANS = 20_000
"""A push of a few thousand rows is told of at once."""
_HAND_OVER_MS = 1_000
"""A process that is killed loses the spans of so long."""
_STOP_WITHIN_S = 2.0
_UNNAMED = "unknown_service"
_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class Tracing:
    """The spans of one process."""

    def __init__(self, role: str, instance: str, version: str) -> None:
        """Begin to hand over spans; handlers that ask OpenTelemetry for a tracer get one of these."""
        self._ids = _Ids()
        # no exit handler: it would wait for a collector that is away
        self._provider = TracerProvider(
            resource=_resource(role, instance, version), id_generator=self._ids, shutdown_on_exit=False
        )
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(), max_queue_size=_QUEUE_SPANS, schedule_delay_millis=_HAND_OVER_MS
        )
        self._provider.add_span_processor(self._processor)
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer("baton", version)

    def is_sampled(self, trace_id: int) -> bool:
        """Whether a trace with this id, which no other process began, is told of."""
        said = self._provider.sampler.should_sample(Context(), trace_id, "plan")
        return said.decision is Decision.RECORD_AND_SAMPLE

    def tell(self, told: Told) -> None:
        """Tell of a step that is over."""
        with self._ids.given(told.place):
            span = self._tracer.start_span(
                told.name,
                _below(told.parent),
                _KINDS[told.kind],
                told.facts,
                [Link(_context_of(place)) for place in told.links],
                told.began_ns,
            )
        if told.problem:
            span.set_status(StatusCode.ERROR, told.problem)
        span.end(told.ended_ns)

    def begin(self, name: str, kind: Kind, parent: Place | None, facts: Facts) -> Begun:
        """Begin a step in this context: what its code tells of itself stands below it."""
        span = self._tracer.start_span(name, _below(parent), _KINDS[kind], facts)
        return Begun(span)

    def flush(self, within_s: float = _STOP_WITHIN_S) -> None:
        """Hand over what waits, at most for so long."""
        _run_within(within_s, self._processor.force_flush)

    def stop(self, within_s: float = _STOP_WITHIN_S) -> None:
        """Hand over what waits, at most for so long; nothing is told of afterwards."""
        _run_within(within_s, self._provider.shutdown)


class Begun:
    """A step that goes on, in the context that began it."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token = contexts.attach(trace.set_span_in_context(span))

    @property
    def place(self) -> Place:
        """Where it stands."""
        said = self._span.get_span_context()
        return Place(said.trace_id, said.span_id, said.trace_flags.sampled)

    def raised(self, error: BaseException) -> None:
        """Its code ended with an exception."""
        self._span.record_exception(error)

    def end(self, facts: Facts, problem: str = "") -> None:
        """It is over; `problem` says why it failed."""
        contexts.detach(self._token)
        self._span.set_attributes(facts)
        if problem:
            self._span.set_status(StatusCode.ERROR, problem)
        self._span.end()


class _Ids(RandomIdGenerator):
    """Ids by chance, but for spans whose place is known."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextmanager
    def given(self, place: Place) -> Iterator[None]:
        """The span that this thread starts meanwhile stands there."""
        self._given.place = place
        try:
            yield
        finally:
            self._given.place = None

    def generate_span_id(self) -> int:
        place: Place | None = getattr(self._given, "place", None)
        return place.span_id if place is not None else super().generate_span_id()

    def generate_trace_id(self) -> int:
        place: Place | None = getattr(self._given, "place", None)
        return place.trace_id if place is not None else super().generate_trace_id()


def _resource(role: str, instance: str, version: str) -> Resource:
    """What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say comes before what we know."""
    said = Resource.create()
    ours = {SERVICE_VERSION: version, SERVICE_INSTANCE_ID: instance, SERVICE_NAME: f"baton-{role}"}
    is_named = not str(said.attributes[SERVICE_NAME]).startswith(_UNNAMED)
    return Resource(ours).merge(said) if is_named else said.merge(Resource(ours))


def _context_of(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)


def _below(parent: Place | None) -> Context:
    """The context of a span below this one; without one, of the first of a trace."""
    above = Context()
    return (
        above if parent is None else trace.set_span_in_context(NonRecordingSpan(_context_of(parent)), above)
    )


def _run_within(within_s: float, step: Callable[[], object]) -> None:
    """The SDK's own bounds are half a minute, or none."""
    thread = threading.Thread(target=step, name="last spans", daemon=True)
    thread.start()
    thread.join(within_s)
