"""Log lines by OTLP: what they hold, and that neither a full queue nor a receiver's absence stops anybody."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from tests.otlp_receiver import LogLine, Receiver, receiving

from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.telemetry import configure_logging
from orderflow.runtime.telemetry.log_export import LogExport, log_export
from orderflow.runtime.telemetry.metrics import REGISTRY

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


def exporting(**environment: str) -> LogExport:
    export = log_export("test", {**os.environ, **environment})
    assert export is not None
    return export


def dropped() -> float:
    (lines,) = REGISTRY.counts.totals()["orderflow_log_lines_dropped_total",]
    return lines


def line(event: str = "request", **fields: object) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"event": event, "level": "info", "service": "test", "timestamp": now, **fields}


def test_a_line_is_sent_with_the_ids_in_the_fields_that_spans_have_them_in(
    logging_restored: None, receiver: Receiver
) -> None:
    export = exporting()
    configure_logging("json", "INFO", "test", export=export.put)
    began = time.time_ns()
    structlog.get_logger().warning(
        "shipment.retry",
        order_id="o-1",
        correlation_id="c-1",
        trace_id=TRACE,
        span_id=SPAN,
        after_ms=5,
        many=["a", 1],
        reason=None,
    )
    structlog.get_logger().info("request", method="GET", status=200, path="/x", duration_ms=1.5)
    export.close()
    first, second = receiver.logs
    assert 0 <= first.time_ns - began < 60e9
    attributes = {
        "orderflow.order_id": "o-1",
        "orderflow.correlation_id": "c-1",
        "orderflow.after_ms": 5,
        "orderflow.many": '["a",1]',
    }
    assert first == LogLine(
        "shipment.retry", "shipment.retry", "WARN", first.time_ns, TRACE, SPAN, attributes, "test"
    )
    assert (second.severity, second.trace_id) == ("INFO", "")
    assert second.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/x",
        "orderflow.duration_ms": 1.5,
    }


def test_lines_of_other_libraries_and_errors_are_sent_masked(
    logging_restored: None, receiver: Receiver
) -> None:
    export = exporting()
    configure_logging("json", "INFO", "test", export=export.put)
    try:
        raise ValueError("at postgresql://u:s3cret@h/d")
    except ValueError:
        logging.getLogger("another").exception("cannot call %s", "postgresql://u:s3cret@h/d")
    export.close()
    (sent,) = receiver.logs
    assert (sent.severity, sent.event_name) == ("ERROR", "")
    assert sent.body == "cannot call postgresql://u:***@h/d"
    assert "ValueError" in sent.attributes["exception.stacktrace"]
    assert "s3cret" not in repr(sent)


def seconds_of(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_lines_beyond_the_queue_are_dropped_and_counted_and_nobody_waits(receiver: Receiver) -> None:
    export = exporting(OTEL_BLRP_MAX_QUEUE_SIZE="3", OTEL_BLRP_SCHEDULE_DELAY="600000")
    before = dropped()
    for number in range(5):
        export.put(line(f"line-{number}"))
    assert dropped() - before == 2
    export.close()
    assert [sent.event_name for sent in receiver.logs] == ["line-0", "line-1", "line-2"]
    export.put(line("too late"))
    assert dropped() - before == 3


def test_while_nobody_takes_them_lines_are_counted_and_the_end_waits_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOBODY)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    export = exporting()
    before = dropped()
    assert seconds_of(lambda: export.put(line())) < 1
    assert seconds_of(export.close) < 10
    assert dropped() - before == 1


def test_a_forked_process_sends_its_own_lines_and_none_of_its_parents(receiver: Receiver) -> None:
    export = exporting(OTEL_BLRP_SCHEDULE_DELAY="600000")
    export.put(line("parent"))
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        export.put(line("child"))
        export.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert [sent.event_name for sent in receiver.logs] == ["child"]
    export.close()
    assert [sent.event_name for sent in receiver.logs] == ["child", "parent"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NOBODY},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": NOBODY, "OTEL_LOGS_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": NOBODY, "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_without_an_endpoint_for_logs_nothing_is_sent(environment: dict[str, str]) -> None:
    assert log_export("test", environment) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"), ("OTEL_BLRP_MAX_QUEUE_SIZE", "0")],
)
def test_a_variable_that_cannot_be_honoured_is_refused_under_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        log_export("test", {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": NOBODY, name: value})
