"""Faults of a running system that a real Prometheus scrapes: each fires the alerts it is about, and no other.

Every time span of the rules is a twentieth here. Some alerts are left to promtool, because they need what
cannot be made in minutes: OrderflowThroughputLow a day to compare with, OrderflowShippedLate late orders,
OrderflowWebhookDeadLetters a receiver that is away for seventeen hours, OrderflowAuditFindings a defect.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from conftest import StartRole
from processes import Role, ask, eventually, order
from prometheus import Alert, Prometheus
from psycopg import sql
from tests.observability.test_rules import ROOT, alerts
from tests.ports import free_ports

SCALE = 0.05
ORDER_PERIOD_S = 0.5
FLOOD_PERIOD_S = 1.0
FLOOD_EVENTS = 1_000
SLOW_S = 1
"""How long a slow database takes for a batch of up to 500 events: fewer are stored than come."""

ROLE_DOWN = "OrderflowRoleDown"
SCRAPE = "OrderflowScrapeIncomplete"
CIRCUIT = "OrderflowCircuitOpen"
LAG = Alert("OrderflowConsumerLag")
OUTBOX = Alert("OrderflowOutboxOld")
LETTERS = "OrderflowDeadLetters"
STUCK = Alert("OrderflowOrdersStuck")
ATTENTION = Alert("OrderflowOrdersNeedAttention")
REFUSED = Alert("OrderflowIntakeErrors")
BY_PROMTOOL = {
    "OrderflowThroughputLow",
    "OrderflowShippedLate",
    "OrderflowWebhookDeadLetters",
    "OrderflowAuditFindings",
}
ENDS_BY_TIME = {LETTERS, REFUSED.name}
"""These go on firing for a while after the fault is mended."""


class System:
    """The roles, each one process, on PostgreSQL and Kafka."""

    def __init__(
        self, start: StartRole, directory: Path, databases: dict[str, str], names: dict[str, str]
    ) -> None:
        self.databases = databases
        self.topic, self.broker = names["ORDERS_TOPIC"], names["BUS_URL"].removeprefix("kafka://")
        roles: tuple[str, ...] = ("api", "relay", "fulfillment")
        *ports, carrier = free_ports(4)
        self.ports: dict[str, int] = dict(zip(roles, ports, strict=True))
        self.urls = {role: f"http://127.0.0.1:{port}" for role, port in self.ports.items()}
        self._start = start
        self._arguments = {
            **{role: (role,) for role in roles},
            "carrier-sim": ("carrier-sim", "--port", str(carrier), "--delay-ms", "0-0",
                            "--ledger", str(directory / "ledger.db")),
        }  # fmt: skip
        self._settings = {
            "api": {**names, "DATABASE_URL": databases["orders"], "PORT": str(self.ports["api"])},
            "relay": {**names, "DATABASE_URL": databases["orders"], "RELAY_PORT": str(self.ports["relay"])},
            "fulfillment": {
                **names,
                "FULFILLMENT_DATABASE_URL": databases["fulfillment"],
                "FULFILLMENT_PORT": str(self.ports["fulfillment"]),
                "ORDERS_URL": self.urls["api"],
                "CARRIER": "http",
                "CARRIER_URL": f"http://127.0.0.1:{carrier}",
            },
            "carrier-sim": {},
        }
        self._running: dict[str, Role] = {}
        for role in self._arguments:
            self.start(role)
        for url in self.urls.values():
            eventually(lambda url=url: ask(f"{url}/health/ready").status == 200, f"{url} is ready", 240)

    def start(self, role: str) -> None:
        self._running[role] = self._start(*self._arguments[role], **self._settings[role])

    def stop(self, role: str) -> None:
        assert self._running[role].stop() == 0

    def place(self) -> Any:
        return ask(f"{self.urls['api']}/api/orders", method="POST", body=order(1)).body

    def shipped_order(self) -> str:
        """The id of a new order that has shipped."""
        order_id: str = self.place()["orderId"]
        shipped = ask(f"{self.urls['api']}/api/orders/{order_id}?wait=Shipped&timeoutMs=60000").body
        assert shipped["status"] == "Shipped"
        return order_id


@contextmanager
def repeating(work: Callable[[], object], period_s: float) -> Generator[None]:
    """Meanwhile a thread does this again and again, whatever becomes of it."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(period_s):
            with suppress(OSError, HTTPException, KeyError):
                work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def stopped(role: str) -> Callable[[System], AbstractContextManager[None]]:
    @contextmanager
    def fault(system: System) -> Generator[None]:
        system.stop(role)
        yield
        system.start(role)

    return fault


@contextmanager
def writes_are_denied(system: System) -> Generator[None]:
    """The broker works, but takes no event of ours."""
    admin: Any = AdminClient({"bootstrap.servers": system.broker})
    topic = (ResourceType.TOPIC, system.topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
    # Once a topic has any rule, everything else needs a permission. A denial outweighs permissions.
    rules = [
        AclBinding(*topic, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*topic, AclOperation.WRITE, AclPermissionType.DENY),
    ]
    for made in admin.create_acls(rules).values():
        made.result(30)
    yield
    all_rules = AclBindingFilter(*topic, AclOperation.ANY, AclPermissionType.ANY)
    for removed in admin.delete_acls([all_rules]).values():
        removed.result(30)


@contextmanager
def unreadable_event(system: System) -> Generator[None]:
    publish(system, "", b"\xff")
    yield


@contextmanager
def newer_event_of_an_order(system: System) -> Generator[None]:
    publish(system, system.shipped_order(), b'{"eventType":"OrderCreated","schemaVersion":99}')
    yield
    letters = f"{system.urls['fulfillment']}/api/fulfillment/dead-letters"
    for letter in ask(letters).body["items"]:
        if letter["kind"] == "newer-schema":
            discarded = ask(f"{letters}/{letter['id']}/discard", method="POST", body={"reason": "a test"})
            assert discarded.status == 200


def publish(system: System, key: str, value: bytes, times: int = 1) -> None:
    producer = Producer({"bootstrap.servers": system.broker})
    for _ in range(times):
        producer.produce(system.topic, value, key)
    assert producer.flush(60) == 0


@contextmanager
def more_events_than_a_slow_worker_stores(system: System) -> Generator[None]:
    """Somebody repeats old events, and each batch takes the worker's database long."""
    event = payload_of(system, system.shipped_order())
    with psycopg.connect(system.databases["fulfillment"], autocommit=True) as session:
        session.execute(
            sql.SQL(
                """CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep({}); RETURN NULL; END'"""
            ).format(sql.Literal(SLOW_S))
        )
        session.execute(
            "CREATE TRIGGER slow BEFORE INSERT ON shipments FOR EACH STATEMENT EXECUTE FUNCTION sleep()"
        )
        with repeating(partial(publish, system, "", event, FLOOD_EVENTS), FLOOD_PERIOD_S):
            yield
        session.execute("DROP TRIGGER slow ON shipments")


def payload_of(system: System, order_id: str) -> bytes:
    with psycopg.connect(system.databases["orders"]) as session:
        found = session.execute("SELECT payload FROM outbox WHERE order_id = %s", [order_id]).fetchone()
    assert found is not None
    return str(found[0]).encode()


def altered(
    database: str, to: LiteralString, back: LiteralString
) -> Callable[[System], AbstractContextManager[None]]:
    """The database gets a setting, and every session of it is ended."""

    @contextmanager
    def fault(system: System) -> Generator[None]:
        name = urlsplit(system.databases[database]).path.removeprefix("/")
        with psycopg.connect(system.databases["server"], autocommit=True) as server:

            def alter(setting: LiteralString) -> None:
                server.execute(sql.SQL("ALTER DATABASE {} " + setting).format(sql.Identifier(name)))
                server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )

            alter(to)
            yield
            alter(back)

    return fault


READ_ONLY = ("SET default_transaction_read_only = on", "RESET default_transaction_read_only")
AWAY = ("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")


@dataclass(frozen=True, slots=True)
class Fault:
    """All of `fires` fires. `if_it_lasts` may come with it while nobody mends the fault, as the pages of the
    former say."""

    name: str
    make: Callable[[System], AbstractContextManager[None]]
    fires: frozenset[Alert]
    if_it_lasts: frozenset[Alert] = frozenset()


def fires(*alerts: Alert) -> frozenset[Alert]:
    return frozenset(alerts)


def role(name: str) -> str:
    return f"orderflow-{name}"


FAULTS = (
    Fault(
        "the worker has ended",
        stopped("fulfillment"),
        fires(Alert(ROLE_DOWN, "orderflow-fulfillment")),
        fires(STUCK),
    ),
    Fault("the relay has ended", stopped("relay"), fires(Alert(ROLE_DOWN, "orderflow-relay"))),
    Fault(
        "the api has ended",
        stopped("api"),
        fires(Alert(ROLE_DOWN, "orderflow-api")),
        fires(Alert(CIRCUIT, "orders")),
    ),
    Fault("the carrier is away", stopped("carrier-sim"), fires(Alert(CIRCUIT, "carrier")), fires(STUCK)),
    Fault("the broker refuses events", writes_are_denied, fires(OUTBOX), fires(STUCK)),
    Fault("an event cannot be read", unreadable_event, fires(Alert(LETTERS, "undecodable"))),
    Fault(
        "an order's event cannot be understood",
        newer_event_of_an_order,
        fires(Alert(LETTERS, "newer-schema"), ATTENTION),
    ),
    Fault(
        "more events come than a worker stores",
        more_events_than_a_slow_worker_stores,
        fires(LAG),
        fires(STUCK),
    ),
    Fault(
        "the worker's database takes no writes",
        altered("fulfillment", *READ_ONLY),
        fires(STUCK),
    ),
    Fault(
        "the orders database takes no writes",
        altered("orders", *READ_ONLY),
        fires(REFUSED),
        fires(Alert(CIRCUIT, "orders"), OUTBOX, STUCK),
    ),
    Fault(
        "the orders database is away",
        altered("orders", *AWAY),
        fires(Alert(SCRAPE, "orderflow-api"), Alert(SCRAPE, "orderflow-relay"), REFUSED),
        fires(Alert(CIRCUIT, "orders")),
    ),
)


@pytest.fixture
def databases(postgres_url: str, postgres_database: str, second_postgres_database: str) -> dict[str, str]:
    return {"server": postgres_url, "orders": postgres_database, "fulfillment": second_postgres_database}


@pytest.fixture
def system(start: StartRole, databases: dict[str, str], names: dict[str, str], tmp_path: Path) -> System:
    return System(start, tmp_path, databases, names)


@pytest.fixture
def prometheus(prometheus_binary: str, system: System, tmp_path: Path) -> Iterator[Prometheus]:
    prometheus = Prometheus(prometheus_binary, tmp_path / "prometheus", system.ports, SCALE)
    yield prometheus
    prometheus.end()


@pytest.mark.timeout(1_800)
def test_each_fault_fires_the_alerts_it_is_about_and_no_other(system: System, prometheus: Prometheus) -> None:
    prometheus.until_all_are_scraped()
    with repeating(system.place, ORDER_PERIOD_S):
        system.shipped_order()
        assert prometheus.firing() == frozenset()
        for fault in FAULTS:
            before = prometheus.firing()
            with fault.make(system):
                fired = prometheus.until(has_fired(fault.fires), f"{sorted(fault.fires)}, as {fault.name}")
            fired |= prometheus.until(is_quiet, f"an end of the alerts, after {fault.name}")
            unexpected = fired - before - fault.fires - fault.if_it_lasts
            assert not unexpected, f"as {fault.name}: {sorted(unexpected)}"


def has_fired(wanted: frozenset[Alert]) -> Callable[[frozenset[Alert], frozenset[Alert]], bool]:
    return lambda _now, seen: wanted <= seen


def is_quiet(now: frozenset[Alert], _seen: frozenset[Alert]) -> bool:
    return {alert.name for alert in now} <= ENDS_BY_TIME


def test_every_alert_has_a_fault_that_fires_it() -> None:
    fired = {alert.name for fault in FAULTS for alert in fault.fires}
    assert fired == {alert["alert"] for alert in alerts()} - BY_PROMTOOL


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_page_of_an_alert_names_what_fires_with_it(fault: Fault) -> None:
    pages = {alert["alert"]: ROOT / alert["annotations"]["runbook_url"] for alert in alerts()}
    together = {alert.name for alert in fault.fires | fault.if_it_lasts}
    told = {name: (pages[name]).read_text() for name in {alert.name for alert in fault.fires}}
    for name, page in told.items():
        companions = {pages[other].name for other in together - {name}}
        linked = {link for link in companions if f"]({link})" in page}
        assert linked == companions, name
