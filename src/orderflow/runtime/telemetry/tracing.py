"""Traces: the spans of an order, sent by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT says so (decision 38).

The context of an order's request travels as its traceparent with the order: in its outbox row, its event, its
shipment and its status updates. Every other span of the order is a child of that request's span. All names
are here; those of HTTP and databases are stable in OpenTelemetry's conventions, those of messaging are not.

While traces are off, the SDK is not even imported, and `is_traced` costs one comparison.
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from orderflow.contracts.traceparent import is_sampled
from orderflow.runtime.ids import random_hex
from orderflow.runtime.telemetry import otlp

if TYPE_CHECKING:  # off costs nothing, not even the import
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span as RecordedSpan
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer

Attributes = Mapping[str, str | int | bool]

COMMIT = "commit orders"
COMMIT_BATCH = "commit batch"
SEND = "send {topic}"
PROCESS = "process {topic}"
REPORT = "report status"
UPDATE = "update status"
STOCK = "{move} stock"
LOOK_UP = "look up {step}"
DEAD_LETTER = "dead letter"

METHOD = otlp.METHOD
STATUS_CODE = otlp.STATUS_CODE
URL_PATH = otlp.URL_PATH
URL_SCHEME = "url.scheme"
ROUTE = "http.route"
ERROR_TYPE = "error.type"
DB_SYSTEM = "db.system.name"
DB_OPERATION = "db.operation.name"
DB_BATCH_SIZE = "db.operation.batch.size"
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.name"
MESSAGING_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
ORDER_ID = otlp.ORDER_ID
CORRELATION_ID = otlp.CORRELATION_ID
STEP = "orderflow.step"
ATTEMPT = "orderflow.attempt"
UNDOING = "orderflow.undoing"
OUTCOME = "orderflow.outcome"
ORDER_STATUS = "orderflow.order_status"
KIND = "orderflow.dead_letter.kind"


class SpanKind(Enum):
    """As OpenTelemetry defines them."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Request(NamedTuple):
    """A request whose span has begun. `span` is None if the trace is not sampled."""

    traceparent: str
    span: "Span | None"


@dataclass(slots=True)
class _State:
    tracer: "Tracer | None" = None
    provider: "TracerProvider | None" = None
    new_trace_id: int = 0
    """The id of the next trace that begins here. Only requests begin traces, all in one thread."""
    url_scheme: str = "http"
    messaging_system: str = "kafka"


_state = _State()
_outgoing: ContextVar[str | None] = ContextVar("orderflow.outgoing_traceparent", default=None)


def configure_tracing(
    service: str,
    environment: Mapping[str, str] = os.environ,
    *,
    url_scheme: str = "http",
    messaging_system: str = "kafka",
) -> None:
    """Send spans to the OTLP endpoint of the standard OTEL_* variables, if there is one. Called once per
    process, at start. `url_scheme` is what the listeners speak. Raises SettingsError for a protocol other
    than http/protobuf."""
    if not otlp.is_wanted("traces", environment):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """A new trace has the id by which it was sampled."""

        def generate_trace_id(self) -> int:
            return _state.new_trace_id

    provider = TracerProvider(resource=otlp.resource(service, environment), id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _state.provider = provider
    _state.tracer = provider.get_tracer("orderflow", schema_url=otlp.SCHEMA_URL)
    _state.url_scheme = url_scheme
    _state.messaging_system = messaging_system


def is_on() -> bool:
    return _state.tracer is not None


def is_traced(traceparent: str | None) -> bool:
    """Whether spans of this trace are recorded: traces are on, and the sampled flag is set."""
    return _state.tracer is not None and traceparent is not None and is_sampled(traceparent)


def begin_request(method: str, given: str | None) -> Request | None:
    """Begin the span of a request with this valid traceparent, or of a new trace. The sampler decides, by
    default as the caller did. None while traces are off."""
    if _state.tracer is None or _state.provider is None:
        return None
    if given is None:
        # A span that is dropped costs the SDK more than the rest of the front door, so it is asked first.
        trace_id = random_hex()
        _state.new_trace_id = int(trace_id, 16)
        if not _state.provider.sampler.should_sample(None, _state.new_trace_id, method).decision.is_sampled():
            return Request(f"00-{trace_id}-{random_hex()[:16]}-00", None)
    from opentelemetry.trace import SpanKind as Kind

    parent = None if given is None else _context(given)
    span = _state.tracer.start_span(
        method, parent, Kind.SERVER, {METHOD: method, URL_SCHEME: _state.url_scheme}
    )
    return Request(_traceparent(span.get_span_context()), span if span.is_recording() else None)


def end_request(span: "RecordedSpan", route: str, attributes: Attributes, error_type: str | None) -> None:
    """End a request's span. `route` is the template of its path, empty if none matches. `error_type` is given
    if the server failed."""
    if route:
        span.update_name(f"{span.name} {route}")
        span.set_attribute(ROUTE, route)
    _finish(span, attributes, error_type)


def record(
    name: str,
    kind: SpanKind,
    traceparent: str,
    began_ns: int,
    attributes: Attributes,
    *,
    links: Sequence[str] = (),
    error_type: str | None = None,
) -> str:
    """Record a span that ends now, as a child of the traceparent's. `began_ns`: Unix time in nanoseconds.
    `links` are traceparents, too. Returns the span's own traceparent. Any thread may call this; it never
    waits for the exporter."""
    from opentelemetry.trace import Link
    from opentelemetry.trace import SpanKind as Kind

    if _state.tracer is None:
        return traceparent
    linked = [Link(_span_context(each)) for each in links]
    span = _state.tracer.start_span(
        name, _context(traceparent), Kind[kind.value], links=linked, start_time=began_ns
    )
    _finish(span, attributes, error_type)
    return _traceparent(span.get_span_context())


def begin_call(name: str, traceparent: str, attributes: Attributes) -> "Span | None":
    """Begin the span of a call to another company, as a child of the traceparent's. Until `end_call`, or the
    end of the task, `outgoing_traceparent` is this span's. None while traces are off."""
    from opentelemetry.trace import SpanKind as Kind

    if _state.tracer is None:
        return None
    span = _state.tracer.start_span(name, _context(traceparent), Kind.CLIENT, dict[str, Any](attributes))
    _outgoing.set(_traceparent(span.get_span_context()))
    return span


def end_call(span: "Span", attributes: Attributes, error_type: str | None) -> None:
    _outgoing.set(None)
    _finish(span, attributes, error_type)


def outgoing_traceparent() -> str | None:
    """The `traceparent` header for a request that is sent now. None if the call is not traced: then no such
    header is sent."""
    return _outgoing.get()


def messaging(operation: str, topic: str) -> dict[str, str]:
    """The attributes of a span of the event log; `operation` is both the name and the type."""
    return {
        MESSAGING_SYSTEM: _state.messaging_system,
        MESSAGING_OPERATION: operation,
        MESSAGING_TYPE: operation,
        DESTINATION: topic,
    }


def now_ns() -> int:
    """Unix time in nanoseconds, for `began_ns`."""
    return time.time_ns()


def _finish(span: "Span", attributes: Attributes, error_type: str | None) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attributes(dict[str, Any](attributes))
    if error_type is not None:
        span.set_attribute(ERROR_TYPE, error_type)
        span.set_status(StatusCode.ERROR)
    span.end()


def _context(traceparent: str) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return set_span_in_context(NonRecordingSpan(_span_context(traceparent)), Context())


def _span_context(traceparent: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))


def _traceparent(context: "SpanContext") -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
