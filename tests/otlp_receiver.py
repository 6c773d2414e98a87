"""A receiver of OTLP over HTTP: it decodes the protobuf, and keeps the spans and the log lines."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1 import logs_pb2

SeverityNumber: Any = logs_pb2.SeverityNumber


@dataclass(frozen=True, slots=True)
class Span:
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    linked: tuple[str, ...]
    """The ids of the spans that it links."""
    attributes: dict[str, Any]
    is_error: bool
    service: str


@dataclass(frozen=True, slots=True)
class LogLine:
    event_name: str
    body: str
    severity: str
    time_ns: int
    trace_id: str
    """Empty if the line is not about a trace."""
    span_id: str
    attributes: dict[str, Any]
    service: str


class Receiver:
    """Listens on 127.0.0.1 while `receiving` runs, by HTTPS if it has a certificate."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.spans: list[Span] = []
        self.logs: list[LogLine] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    receiver.spans += _spans(body)
                else:
                    assert self.path == "/v1/logs"
                    receiver.logs += _logs(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.server.server_port}"

    def of_order(self, order_id: str) -> list[Span]:
        """The spans of the traces that know the order."""
        known = list(self.spans)
        traces = {span.trace_id for span in known if span.attributes.get("orderflow.order_id") == order_id}
        return [span for span in known if span.trace_id in traces]


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Generator[Receiver]:
    receiver = Receiver(tls)
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


def _spans(body: bytes) -> list[Span]:
    request: Any = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        Span(
            span.name,
            span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            tuple(link.span_id.hex() for link in span.links),
            {each.key: _value(each.value) for each in span.attributes},
            span.status.code == 2,
            _service(of.resource),
        )
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _logs(body: bytes) -> list[LogLine]:
    request: Any = ExportLogsServiceRequest()
    request.ParseFromString(body)
    return [
        LogLine(
            line.event_name,
            _value(line.body),
            SeverityNumber.Name(line.severity_number).removeprefix("SEVERITY_NUMBER_"),
            line.time_unix_nano,
            line.trace_id.hex(),
            line.span_id.hex(),
            {each.key: _value(each.value) for each in line.attributes},
            _service(of.resource),
        )
        for of in request.resource_logs
        for scope in of.scope_logs
        for line in scope.log_records
    ]


def _service(resource: Any) -> str:
    return next(_value(each.value) for each in resource.attributes if each.key == "service.name")


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
