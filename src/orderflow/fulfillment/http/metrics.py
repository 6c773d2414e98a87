"""Metrics of the Fulfillment Service over HTTP."""

from collections.abc import Callable

from orderflow.fulfillment.breaker import Circuit
from orderflow.fulfillment.worker import WorkerStatus
from orderflow.runtime.telemetry import metrics
from orderflow.runtime.telemetry.exposition import Reading
from orderflow.web.metrics import MetricsApi


def metrics_api(status: Callable[[], WorkerStatus]) -> MetricsApi:
    """Metrics of the worker in this process."""

    async def readings() -> list[Reading]:
        now = status()
        circuits = [
            (metrics.CIRCUIT, (part, circuit.value), float(circuit is is_now))
            for part, is_now in now.circuits.items()
            for circuit in Circuit
        ]
        return [
            *((metrics.CONSUMER_LAG, (str(of),), lag) for of, lag in (now.consumer.lags or {}).items()),
            (metrics.CONSUMER_PARTITIONS, (), len(now.consumer.assignment)),
            (metrics.IN_FLIGHT, (), now.in_flight),
            (metrics.HELD, (), now.held),
            (metrics.STATUS_UPDATE_BACKLOG, (), now.owed),
            *circuits,
        ]

    return MetricsApi(readings, lambda: status().degraded)
