"""Health of the Fulfillment Service over HTTP."""

from collections.abc import Callable
from typing import Any

from orderflow.database.readiness import Readiness
from orderflow.fulfillment.worker import WorkerStatus
from orderflow.web.health import HealthApi


def health_api(readiness: Readiness, status: Callable[[], WorkerStatus]) -> HealthApi:
    """Health of the worker in this process."""
    return HealthApi(
        readiness.trouble,
        disabled=lambda: status().disabled,
        degraded=lambda: status().degraded,
        details=lambda: _details(status()),
    )


def _details(status: WorkerStatus) -> dict[str, Any]:
    consumer = status.consumer
    age_s = consumer.last_poll_age_s
    return {
        "workerId": status.worker_id,
        "epoch": status.epoch,
        "inFlight": status.in_flight,
        "held": status.held,
        "consumer": {
            "group": consumer.group,
            "assignment": list(consumer.assignment),
            "lag": consumer.lag,
            "lastPollAgeMs": None if age_s is None else round(age_s * 1000),
            "error": consumer.error,
        },
        "circuits": {part: circuit.value for part, circuit in status.circuits.items()},
        "skippedEvents": status.skipped_events,
    }
