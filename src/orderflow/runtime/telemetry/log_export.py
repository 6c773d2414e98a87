"""Log lines by OTLP, beside those on stderr (decision 40).

Whoever logs only puts the line into a bounded queue. A thread makes records of the lines and sends them;
while nobody takes them, they are dropped and counted. An order's ids have the names that its spans give them.
"""

import atexit
import os
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic_core import to_json
from structlog.typing import EventDict

from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.telemetry import otlp
from orderflow.runtime.telemetry.metrics import LOG_LINES_DROPPED

if TYPE_CHECKING:  # off costs nothing, not even the import
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

QUEUE_LINES_MAX = 2_048
BATCH_LINES_MAX = 512
DELAY_MS = 1_000
"""The defaults of OTEL_BLRP_MAX_QUEUE_SIZE, OTEL_BLRP_MAX_EXPORT_BATCH_SIZE and OTEL_BLRP_SCHEDULE_DELAY."""
CLOSE_S_MAX = 3.0
"""How long the end of the process waits for the last lines to be sent."""

_NAMES = {
    "order_id": otlp.ORDER_ID,
    "correlation_id": otlp.CORRELATION_ID,
    "method": otlp.METHOD,
    "status": otlp.STATUS_CODE,
    "path": otlp.URL_PATH,
    "exception": "exception.stacktrace",
}
_OWN_FIELDS = frozenset(("event", "level", "timestamp", "service", "trace_id", "span_id"))
"""They are no attributes of the record: it has fields of its own for them, or its resource has."""


class LogExport:
    """Sends the lines of this process. After a fork, the new process sends only its own."""

    def __init__(self, service: str, environment: Mapping[str, str]) -> None:
        """Raises SettingsError for OTEL_BLRP_* variables that are not positive integers."""
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._resource = otlp.resource(service, environment)
        self._scope = InstrumentationScope("orderflow", schema_url=otlp.SCHEMA_URL)
        self._queue_max = _positive(environment, "OTEL_BLRP_MAX_QUEUE_SIZE", QUEUE_LINES_MAX)
        self._batch_max = _positive(environment, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", BATCH_LINES_MAX)
        self._delay_s = _positive(environment, "OTEL_BLRP_SCHEDULE_DELAY", DELAY_MS) / 1000
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)
        atexit.register(self.close)

    def _begin_anew(self) -> None:
        """A forked process has neither the thread nor the connections of its parent."""
        self._queue: deque[EventDict] = deque()
        self._starting = threading.Lock()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        self._exporter: LogRecordExporter | None = None
        self._closed = False

    def put(self, event: EventDict) -> None:
        """Take a line, as structlog's processors have it. It never waits; if the queue is full, the line is
        dropped. Any thread may call this."""
        if threading.current_thread() is self._thread:
            return  # the exporter's own complaints would be sent for ever
        if self._closed or len(self._queue) >= self._queue_max:
            LOG_LINES_DROPPED.inc()
            return
        self._queue.append(dict(event))
        if self._thread is None:
            self._start()
        if len(self._queue) >= self._batch_max:
            self._due.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-export", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

        self._exporter = OTLPLogExporter()
        while not self._closed:
            self._due.wait(self._delay_s)
            self._due.clear()
            self._send()
        self._send()

    def _send(self) -> None:
        """Send what is in the queue. The exporter tries again for a while by itself, and never raises."""
        from opentelemetry.sdk._logs import ReadableLogRecord
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        if self._exporter is None:
            return
        while self._queue:
            lines = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_max))]
            records = [ReadableLogRecord(_record(line), self._resource, self._scope) for line in lines]
            if self._exporter.export(records) is not LogRecordExportResult.SUCCESS:
                LOG_LINES_DROPPED.inc(len(lines))

    def close(self) -> None:
        """Send the last lines, for CLOSE_S_MAX at most. Later ones are dropped."""
        if self._closed:
            return
        self._closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S_MAX)
        if self._exporter is not None:
            self._exporter.shutdown()


def log_export(service: str, environment: Mapping[str, str] = os.environ) -> LogExport | None:
    """The export that the standard OTEL_* variables ask for; None if they ask for none. Raises
    SettingsError."""
    return LogExport(service, environment) if otlp.is_wanted("logs", environment) else None


def _record(line: EventDict) -> "LogRecord":
    """A line of structlog has an event's name; one of another library's is only a text."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.trace import TraceFlags

    level = str(line["level"]).upper()
    severity = SeverityNumber[_SEVERITIES.get(level, level)]
    written = datetime.fromisoformat(line["timestamp"])
    record = LogRecord(
        timestamp=(written - _EPOCH) // _MICROSECOND * 1_000,
        severity_number=severity,
        severity_text=level,
        body=str(line["event"]),
        event_name=None if "_record" in line else str(line["event"]),
        attributes={
            _NAMES.get(name, f"orderflow.{name}"): value if type(value) in _PLAIN else _text(value)
            for name, value in line.items()
            if name not in _OWN_FIELDS and not name.startswith("_") and value is not None
        },
    )
    record.trace_id = int(line.get("trace_id") or "0", 16)
    record.span_id = int(line.get("span_id") or "0", 16)
    record.trace_flags = TraceFlags(0)
    return record


_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLAIN = (str, int, float, bool)
_SEVERITIES = {"WARNING": "WARN", "EXCEPTION": "ERROR", "CRITICAL": "FATAL"}


def _text(value: object) -> str:
    return to_json(value, fallback=repr).decode()


def _positive(environment: Mapping[str, str], name: str, default: int) -> int:
    given = environment.get(name) or str(default)
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise SettingsError(f"{name} takes a positive whole number")
    return int(given)
