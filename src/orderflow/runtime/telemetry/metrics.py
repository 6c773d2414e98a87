"""Metrics: the name, labels and unit of everything that is counted or timed, for all roles.

Counters and histograms are kept by each process, and changed once per batch where that is possible. Gauges
are read when somebody asks for them. No label has values without a bound, such as ids of orders or customers.
`docs/metrics.md` is made from this module: `python -m orderflow.runtime.telemetry.metrics`.
"""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from orderflow.runtime.telemetry.instruments import Counter, Described, Family, Histogram, Registry

REGISTRY = Registry()
"""The counters and histograms of this process."""

CATALOGUE: list[Described] = []


def _counter(name: str, text: str, unit: str, *labels: str) -> Family[Counter]:
    described = Described(name, "counter", unit, labels, text)
    CATALOGUE.append(described)
    return REGISTRY.counter(described)


def _histogram(name: str, text: str, unit: str, *labels: str, buckets: Sequence[float]) -> Family[Histogram]:
    described = Described(name, "histogram", unit, labels, text)
    CATALOGUE.append(described)
    return REGISTRY.histogram(described, [float(bound) for bound in buckets])


def _gauge(name: str, text: str, unit: str, *labels: str) -> Described:
    described = Described(name, "gauge", unit, labels, text)
    CATALOGUE.append(described)
    return described


_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10)
"""There are over a hundred statements and loops, so these tell no more than which of them is slow."""
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000)
_DAYS_S = (0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)

# All roles

_HTTP_REQUEST = _histogram(
    "http_server_request_duration_seconds",
    "Time from the head of a request to the end of its answer. `http_route` is the route's template, empty "
    "if none matches. Exemplars carry the id of a trace that is sampled.",
    "seconds",
    "http_request_method",
    "http_route",
    "http_response_status_code",
    buckets=_REQUEST_S,
)
_DB_OPERATION = _histogram(
    "db_client_operation_duration_seconds",
    "Time of a query, of `commit`, or of a use case within a transaction of the group commit, whatever the "
    "number of its commands; `send` writes what the use cases have left to be written together.",
    "seconds",
    "db_system_name",
    "db_operation_name",
    buckets=_WORK_S,
)
LOOP_TURN = _histogram(
    "orderflow_loop_turn_duration_seconds",
    "Time that a turn of a loop takes, without the wait before it.",
    "seconds",
    "loop",
    buckets=_WORK_S,
)
LOOP_FAILURES = _counter(
    "orderflow_loop_failures_total", "Turns of a loop that ended with an error.", "turns", "loop"
)
LOOP_STALLS = _counter(
    "orderflow_loop_stalls_total",
    "How often a loop was found to be more than 30 s late. One that is 120 s late ends its process.",
    "stalls",
    "loop",
)
LOG_LINES_DROPPED = _counter(
    "orderflow_log_lines_dropped_total",
    "Log lines that could not be sent by OTLP: the queue was full, or nobody took them. They are on stderr "
    "all the same.",
    "lines",
).labels()
SCRAPE_COMPLETE = _gauge(
    "orderflow_scrape_complete",
    "1, or 0 if the database did not answer in time, so that gauges are missing.",
    "1 or 0",
)
DEGRADED = _gauge(
    "orderflow_degraded", "1 for each part that `/health/ready` names as degraded.", "1", "part"
)

# The Order Service: api, relay and up

INTAKE_BATCH = _histogram(
    "orderflow_intake_batch_orders",
    "Orders that one transaction makes durable.",
    "orders",
    buckets=_BATCH,
).labels()
INTAKE_QUEUE_AGE = _histogram(
    "orderflow_intake_queue_age_seconds",
    "Time that the oldest command of a batch has waited for the Order Service's writer.",
    "seconds",
    buckets=_REQUEST_S,
).labels()
ORDER_TO_SHIPPED = _histogram(
    "orderflow_order_to_shipped_seconds",
    "Time from the creation of an order to its status Shipped.",
    "seconds",
    buckets=_DAYS_S,
).labels()
PRODUCE = _histogram(
    "orderflow_produce_duration_seconds",
    "Time in which the event log acknowledges or refuses a batch of the relay.",
    "seconds",
    buckets=_REQUEST_S,
).labels()
PRODUCED = _counter(
    "orderflow_produced_events_total",
    "Events that the relay has given to the event log; `outcome` is published, failed or too-large.",
    "events",
    "outcome",
)
REPAIRS = _counter(
    "orderflow_repairs_total",
    "Orders for which the reconciler did something; `kind` is re-emitted or attention.",
    "orders",
    "kind",
)
STREAMS_ENDED = _counter(
    "orderflow_streams_ended_total",
    "Streams of changes that have ended; `reason` is gone or slow (the client), access (its key), age, stop, "
    "database, or lost (the database was set back).",
    "streams",
    "reason",
)
WEBHOOK_ATTEMPTS = _counter(
    "orderflow_webhook_attempts_total",
    "Messages sent to webhooks; `outcome` is delivered or failed.",
    "messages",
    "outcome",
)
ORDERS = _gauge("orderflow_orders", "Orders in each status.", "orders", "status")
ORDERS_ATTENTION = _gauge("orderflow_orders_attention", "Orders that need a person.", "orders")
OUTBOX_BACKLOG = _gauge(
    "orderflow_outbox_backlog", "Events that wait to be published, counted up to a bound.", "events"
)
OUTBOX_OLDEST_AGE = _gauge(
    "orderflow_outbox_oldest_age_seconds",
    "Age of the oldest event that waits to be published for the first time.",
    "seconds",
)
OUTBOX_PARKED = _gauge("orderflow_outbox_parked", "Events that the log refuses for their size.", "events")
WEBHOOK_WAITING = _gauge(
    "orderflow_webhook_waiting",
    "Messages to webhooks that are tried again, or wait for an earlier one of their order.",
    "messages",
)
WEBHOOK_DEAD_LETTERS = _gauge(
    "orderflow_webhook_dead_letters",
    "Messages that a webhook did not take within the whole schedule, until they are redriven.",
    "messages",
)

# The Fulfillment Service: fulfillment and up

_ATTEMPTS = _counter(
    "orderflow_attempts_total",
    "Calls of carriers and payment providers for a step, `undo` included. `outcome` is done, undone, parked, "
    "rejected (for good, by the party), refused (our key or address is wrong) or failed (nothing is known).",
    "calls",
    "step",
    "outcome",
)
_PARTY_CALL = _histogram(
    "orderflow_party_call_duration_seconds",
    "Time that such a call takes; `part` is carrier or payments.",
    "seconds",
    "part",
    buckets=(*_REQUEST_S, 30, 60),
)
COMPENSATIONS = _counter(
    "orderflow_compensations_total",
    "Steps that were undone, because their order was not shipped.",
    "steps",
    "step",
)
_DEAD_LETTERS = _counter(
    "orderflow_dead_letters_total",
    "Messages and shipments that were given up, again after a redrive included.",
    "letters",
    "kind",
)
CONSUMER_LAG = _gauge(
    "orderflow_consumer_lag",
    "Messages of a partition that wait for this worker; missing while the broker has not told.",
    "messages",
    "partition",
)
CONSUMER_PARTITIONS = _gauge(
    "orderflow_consumer_partitions", "Partitions of the event log that this worker reads.", "partitions"
)
PARTITIONS_MOVED = _counter(
    "orderflow_partitions_moved_total",
    "Partitions that a rebalance gave to this worker or took away; `change` is assigned, revoked or lost "
    "(the group had gone on without the worker).",
    "partitions",
    "change",
)
IN_FLIGHT = _gauge("orderflow_in_flight", "Calls of carriers and payment providers under way.", "calls")
HELD = _gauge("orderflow_held_shipments", "Shipments that the worker has in memory.", "shipments")
STATUS_UPDATE_BACKLOG = _gauge(
    "orderflow_status_update_backlog", "Status updates that the worker owes to the Order Service.", "updates"
)
CIRCUIT = _gauge(
    "orderflow_circuit_state",
    "1 for the state that the circuit of a part is in, 0 for the others: closed, open or half-open.",
    "1 or 0",
    "part",
    "state",
)

# `orderflow audit --every`

AUDIT_FINDINGS = _gauge(
    "orderflow_audit_findings",
    "What the last audit has found, by kind.",
    "findings",
    "kind",
)
AUDIT_COMPLETED = _gauge(
    "orderflow_audit_completed_timestamp_seconds", "When the last audit came to its end.", "Unix seconds"
)


def http_request(
    method: str, route: str, status: int, seconds: float, exemplar: dict[str, str] | None = None
) -> None:
    """Count a request that was answered."""
    _http_request(method, route, status).observe(seconds, exemplar)


@lru_cache(maxsize=4_096)
def _http_request(method: str, route: str, status: int) -> Histogram:
    return _HTTP_REQUEST.labels(method if method in _METHODS else "_OTHER", route, str(status))


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))


def db_operation(system: str, operation: str | Callable[..., Any], seconds: float) -> None:
    """Count a use case or query, which is called like its function."""
    name = operation if isinstance(operation, str) else getattr(_innermost(operation), "__name__", "other")
    _db_operation(system, name).observe(seconds)


def _innermost(function: Any) -> Any:
    """The function that partials and wrappers (`functools.wraps`) call in the end."""
    while (inner := getattr(function, "func", None) or getattr(function, "__wrapped__", None)) is not None:
        function = inner
    return function


@lru_cache(maxsize=1_024)
def _db_operation(system: str, name: str) -> Histogram:
    return _DB_OPERATION.labels(system, name)


def party_call(part: str, step: str, outcome: str, seconds: float) -> None:
    """Count a call of a carrier or payment provider."""
    _attempts(step, outcome).inc()
    _party_call(part).observe(seconds)


@lru_cache(maxsize=256)
def _attempts(step: str, outcome: str) -> Counter:
    return _ATTEMPTS.labels(step, outcome)


@lru_cache(maxsize=16)
def _party_call(part: str) -> Histogram:
    return _PARTY_CALL.labels(part)


def dead_letter(kind: str) -> None:
    """Count a letter; `kind` is a name from our code."""
    _DEAD_LETTERS.labels(kind).inc()


def document() -> str:
    """The text of `docs/metrics.md`."""
    rows = [
        f"| `{each.name}` | {each.kind} | {each.unit} | "
        f"{', '.join(f'`{label}`' for label in each.labels) or '-'} | {each.text} |"
        for each in CATALOGUE
    ]
    table = ["| name | kind | unit | labels | meaning |", "|---|---|---|---|---|", *rows]
    return _PAGE.format(table="\n".join(table))


_PAGE = """# Metrics

<!-- Made by `python -m orderflow.runtime.telemetry.metrics`; a test compares. -->

`GET /metrics` of `api`, `relay` (with `ORDERFLOW_RELAY_PORT`), `fulfillment` and `up` answers in the
OpenMetrics format to whoever accepts `application/openmetrics-text`, otherwise in Prometheus' text format.
With authentication, a caller from another host needs `orders:read` or `fulfillment:read`. A proxy on the same
host must set `X-Forwarded-For` or `Forwarded`, so that its callers do not count as callers of that host.

- Each process answers for itself, so scrape every replica. The processes of one `api`
  (`ORDERFLOW_API_WORKERS`) answer together: the one that is asked adds up the counters and histograms of all,
  which they keep in memory that they share. What a process that died has counted still counts. This needs no
  files. Exemplars are those of the process that is asked.
- Gauges about a database are the same from every replica of a service: use `max`, not `sum`.
- `up` is one process, and both of its ports give its counters and histograms: scrape only one of them for
  those.

{table}
"""

if __name__ == "__main__":
    sys.stdout.write(document())
