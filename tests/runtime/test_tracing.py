"""Traces that are off cost nothing, and settings that cannot be honoured are refused."""

import subprocess
import sys

import pytest

from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.tracing import configure_tracing

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_an_endpoint_the_sdk_is_not_imported() -> None:
    program = (
        "import sys, orderflow.app; from orderflow.runtime.telemetry.tracing import configure_tracing;"
        "configure_tracing('test', {'OTEL_TRACES_SAMPLER': 'always_on'});"
        "sys.exit('opentelemetry.sdk' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_traces_that_are_off_record_nothing_whatever_a_caller_wants(environment: dict[str, str]) -> None:
    configure_tracing("test", environment)
    assert not tracing.is_on()
    assert not tracing.is_traced(SAMPLED)
    assert tracing.begin_request("POST", SAMPLED) is None


def test_a_protocol_that_cannot_be_spoken_is_refused_under_its_name() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL takes http/protobuf"):
        configure_tracing("test", environment)
