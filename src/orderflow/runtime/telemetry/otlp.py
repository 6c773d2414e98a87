"""What traces and logs have in common when they go out by OTLP: the standard OTEL_* variables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from orderflow.runtime.settings_error import SettingsError

if TYPE_CHECKING:  # off costs nothing, not even the import
    from opentelemetry.sdk.resources import Resource

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions that our names follow."""

ORDER_ID = "orderflow.order_id"
CORRELATION_ID = "orderflow.correlation_id"
METHOD = "http.request.method"
STATUS_CODE = "http.response.status_code"
URL_PATH = "url.path"


def is_wanted(signal: Literal["traces", "logs"], environment: Mapping[str, str]) -> bool:
    """Whether the variables name an endpoint for the signal and do not switch it off. Raises SettingsError
    for a protocol other than http/protobuf."""
    name = signal.upper()
    if not (
        environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or environment.get(f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT")
    ):
        return False
    if environment.get(f"OTEL_{name}_EXPORTER") == "none" or environment.get("OTEL_SDK_DISABLED") == "true":
        return False
    for variable in ("OTEL_EXPORTER_OTLP_PROTOCOL", f"OTEL_EXPORTER_OTLP_{name}_PROTOCOL"):
        if environment.get(variable) not in (None, "", "http/protobuf"):
            raise SettingsError(f"{variable} takes http/protobuf")
    return True


def resource(service: str, environment: Mapping[str, str]) -> "Resource":
    """Who sends: `service`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    from opentelemetry.sdk.resources import Resource

    return Resource.create({} if environment.get("OTEL_SERVICE_NAME") else {"service.name": service})
