"""The cases that are measured, in the order of one round."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench import bodies, scenarios, tools
from bench.long_cases import DAY_S, million_orders, stored_orders
from bench.scenarios import Sample
from bench.servers import Servers
from bench.shipping_latency import fairness, shipping_latency
from bench.stages import Stage, conventional, embedded, migrate, orderflow

GROUPS = ("limit", "intake", "batch", "latency", "real", "e2e", "drain", "shipping", "long")
PGBENCH_CLIENTS = (8, 16, 32, 64)
BATCH_ORDERS = 200
BATCH_CONNECTIONS = 16
LATENCY_RATES = (100, 2_000)
END_TO_END_RATE = 2_000
EMBEDDED_END_TO_END_RATE = 1_200
END_TO_END_SECONDS = 60.0
WARM_UP_S = 10.0
FAIRNESS_SECONDS = 15.0
"""Long enough for failing shipments to be tried again, after 1 s and after 5 s more."""

_PORT_ONE, _PORT_TWO = "conventional, 1 process", "conventional, 2 processes"
_ONE, _TWO, _EMBEDDED = "Orderflow, 1 process", "Orderflow, 2 processes", "Orderflow, embedded"

HELD_MS = "600000-600000"
"""The carrier does not answer while a case runs. With one shipment in flight, fulfillment stands still."""


NOTHING_OVERDUE = {"ORDERFLOW_RECONCILE_AFTER_S": "86400"}
"""Without this, every order would be published again where fulfillment stands still for so long."""


@dataclass(slots=True)
class Run:
    """What every case gets. A `quick` run only shows that everything works."""

    servers: Servers
    scratch: Path
    logs: Path
    seconds: float
    quick: bool
    clients: dict[int, int] = field(default_factory=dict[int, int])
    connections: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def usual(self) -> Path:
        return bodies.write_for_wrk(self.scratch / "usual.ndjson", bodies.usual())

    @property
    def real(self) -> Path:
        return bodies.write_for_wrk(self.scratch / "real.ndjson", bodies.real())

    @property
    def end_to_end_seconds(self) -> float:
        return 4.0 if self.quick else max(END_TO_END_SECONDS, self.seconds)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    group: str
    measure: Callable[[Run], Sample]
    quick: bool = False
    """Whether the case is part of a quick run, which shows that everything works."""


def _limit(orders_per_transaction: int) -> Callable[[Run], Sample]:
    def measure(run: Run) -> Sample:
        with run.servers.database() as database, run.servers.database() as other:
            migrate(database, other)
            if orders_per_transaction not in run.clients:
                run.clients[orders_per_transaction] = _best_clients(run, database, orders_per_transaction)
        with run.servers.database() as database, run.servers.database() as other:
            migrate(database, other)
            return scenarios.limit(
                run.servers,
                database,
                run.scratch,
                orders_per_transaction=orders_per_transaction,
                clients=run.clients[orders_per_transaction],
                seconds=run.seconds,
            )

    return measure


def _best_clients(run: Run, database: str, orders_per_transaction: int) -> int:
    """The number of clients with which PostgreSQL does most on this machine."""

    def rate(clients: int) -> float:
        return tools.pgbench(
            database,
            run.scratch,
            orders_per_transaction=orders_per_transaction,
            clients=clients,
            seconds=max(1.0, run.seconds / 4),
        )

    return PGBENCH_CLIENTS[0] if run.quick else max(PGBENCH_CLIENTS, key=rate)


Staged = Callable[[Run], AbstractContextManager[Stage]]


def _orderflow(api_workers: int) -> Staged:
    return lambda run: orderflow(run.servers, run.logs, api_workers=api_workers)


def _conventional(api_workers: int) -> Staged:
    return lambda run: conventional(run.servers, run.logs, api_workers=api_workers)


def _embedded_held(run: Run) -> AbstractContextManager[Stage]:
    return embedded(run.scratch, run.logs, delay_ms=HELD_MS, in_flight_max=1)


def _connections(run: Run, system: str, staged: Staged) -> int:
    """The number of connections with which this system takes most orders, as pgbench, too, gets its best
    number of clients."""
    if system not in run.connections:
        if run.quick:
            return scenarios.CONNECTIONS[0]
        with staged(run) as stage:
            seconds = max(1.0, run.seconds / 4)
            run.connections[system] = scenarios.best_connections(stage, run.usual, seconds=seconds)
    return run.connections[system]


def _intake(system: str, staged: Staged, *, real: bool = False) -> Callable[[Run], Sample]:
    def measure(run: Run) -> Sample:
        connections = _connections(run, system, staged)
        with staged(run) as stage:
            orders = run.real if real else run.usual
            return scenarios.intake(stage, orders, seconds=run.seconds, connections=connections)

    return measure


def _with_keys(run: Run) -> Sample:
    connections = _connections(run, _TWO, _orderflow(2))
    with orderflow(run.servers, run.logs, api_workers=2, with_keys=True) as stage:
        return scenarios.intake(stage, run.usual, seconds=run.seconds, connections=connections)


def _kafka_away(run: Run) -> Sample:
    connections = _connections(run, _TWO, _orderflow(2))
    with orderflow(run.servers, run.logs, api_workers=2, kafka_away=True, settings=NOTHING_OVERDUE) as stage:
        return scenarios.kafka_away(
            stage, run.usual, seconds=run.seconds, connections=connections, bus_url=run.servers.bus_url
        )


def warm_up(run: Run) -> None:
    """Warm the broker up, which is compiled while it runs: with a cold broker, everything that waits for it
    is twice as slow, above all the conventional port."""
    for staged in (_conventional(2), _orderflow(2)):
        with staged(run) as stage:
            scenarios.intake(stage, run.usual, seconds=WARM_UP_S, connections=128)


def _batch(run: Run) -> Sample:
    with orderflow(run.servers, run.logs, api_workers=2) as stage:
        return scenarios.intake(
            stage,
            run.usual,
            seconds=run.seconds,
            connections=BATCH_CONNECTIONS,
            orders_per_request=BATCH_ORDERS,
        )


def _latency(rate: int) -> Callable[[Run], Sample]:
    def measure(run: Run) -> Sample:
        with orderflow(run.servers, run.logs, api_workers=2) as stage:
            return scenarios.latency(stage, run.scratch, rate=rate, seconds=run.seconds)

    return measure


def _conventional_latency(run: Run) -> Sample:
    with conventional(run.servers, run.logs, api_workers=2) as stage:
        return scenarios.latency(stage, run.scratch, rate=LATENCY_RATES[0], seconds=run.seconds)


def _end_to_end(run: Run) -> Sample:
    with orderflow(run.servers, run.logs, api_workers=1) as stage:
        stage.start_fulfillment()
        return scenarios.end_to_end(stage, run.scratch, rate=END_TO_END_RATE, seconds=run.end_to_end_seconds)


def _embedded_end_to_end(run: Run) -> Sample:
    with embedded(run.scratch, run.logs, delay_ms="0-0") as stage:
        return scenarios.end_to_end(
            stage, run.scratch, rate=EMBEDDED_END_TO_END_RATE, seconds=run.end_to_end_seconds
        )


def _drain(delay_ms: str) -> Callable[[Run], Sample]:
    def measure(run: Run) -> Sample:
        with orderflow(run.servers, run.logs, api_workers=1) as stage:
            return scenarios.drain(stage, orders=1_000 if run.quick else 10_000, delay_ms=delay_ms)

    return measure


def _conventional_drain(form: str) -> Callable[[Run], Sample]:
    def measure(run: Run) -> Sample:
        with conventional(run.servers, run.logs, api_workers=1) as stage:
            return scenarios.conventional_drain(stage, run.usual, form=form, seconds=run.seconds)

    return measure


def _shipping(run: Run) -> Sample:
    with orderflow(run.servers, run.logs, api_workers=1) as stage:
        stage.start_fulfillment()
        return shipping_latency(stage, rate=100, seconds=run.seconds)


def _fairness(run: Run) -> Sample:
    with orderflow(run.servers, run.logs, api_workers=1) as stage:
        stage.start_fulfillment(carrier="bench.carriers:FailsForSome")
        failing = 500 if run.quick else 5_000
        return fairness(stage, failing=failing, rate=50, seconds=max(run.seconds, FAIRNESS_SECONDS))


def _million(run: Run) -> Sample:
    connections = _connections(run, _TWO, _orderflow(2))
    with orderflow(run.servers, run.logs, api_workers=2, settings=NOTHING_OVERDUE) as stage:
        orders = 20_000 if run.quick else 1_000_000
        return million_orders(stage, run.usual, orders=orders, connections=connections)


def _stored(run: Run) -> Sample:
    connections = _connections(run, _TWO, _orderflow(2))
    settings = {**NOTHING_OVERDUE, "ORDERFLOW_EVENTS_KEPT_S": str(90 * DAY_S)}
    with orderflow(run.servers, run.logs, api_workers=2, settings=settings) as stage:
        stored = 50_000 if run.quick else 5_000_000
        return stored_orders(
            stage, run.usual, run.scratch, stored=stored, seconds=run.seconds, connections=connections
        )


CASES = (
    Case("PostgreSQL, one order per transaction", "limit", _limit(1), quick=True),
    Case("PostgreSQL, 64 orders per transaction", "limit", _limit(64)),
    Case("intake: conventional, 1 process", "intake", _intake(_PORT_ONE, _conventional(1)), quick=True),
    Case("intake: conventional, 2 processes", "intake", _intake(_PORT_TWO, _conventional(2))),
    Case("intake: Orderflow, 1 process", "intake", _intake(_ONE, _orderflow(1))),
    Case("intake: Orderflow, 2 processes", "intake", _intake(_TWO, _orderflow(2)), quick=True),
    Case("intake: Orderflow, 2 processes, API keys", "intake", _with_keys),
    Case("intake: Orderflow, 2 processes, Kafka away", "intake", _kafka_away),
    Case("intake: Orderflow, embedded", "intake", _intake(_EMBEDDED, _embedded_held), quick=True),
    Case("batch endpoint: Orderflow, 2 processes", "batch", _batch, quick=True),
    Case("100 req/s: conventional, 2 processes", "latency", _conventional_latency),
    Case("100 req/s: Orderflow, 2 processes", "latency", _latency(LATENCY_RATES[0]), quick=True),
    Case("2,000 req/s: Orderflow, 2 processes", "latency", _latency(LATENCY_RATES[1])),
    Case("real orders: conventional, 2 processes", "real", _intake(_PORT_TWO, _conventional(2), real=True)),
    Case("real orders: Orderflow, 2 processes", "real", _intake(_TWO, _orderflow(2), real=True)),
    Case("shipping at 2,000 orders/s: Orderflow", "e2e", _end_to_end, quick=True),
    Case("shipping at 1,200 orders/s: Orderflow, embedded", "e2e", _embedded_end_to_end),
    Case("drain: conventional, one at a time", "drain", _conventional_drain("single")),
    Case("drain: conventional, batches", "drain", _conventional_drain("batch"), quick=True),
    Case("drain: Orderflow", "drain", _drain("0-0"), quick=True),
    Case("drain: Orderflow, 10,000 waiting, carrier 1-5 s", "drain", _drain("1000-5000")),
    Case("100 orders/s, POST to Shipped: Orderflow", "shipping", _shipping, quick=True),
    Case("50 orders/s beside 5,000 that fail: Orderflow", "shipping", _fairness),
    Case("a million orders: Orderflow, 2 processes", "long", _million),
    Case("5 million stored: Orderflow, 2 processes", "long", _stored),
)
