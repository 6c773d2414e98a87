"""Both services and both simulators behind real sockets, with orders in every state that are written by hand.
No worker and no relay runs, so whatever a test breaks stays broken."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.web.conftest import listening

from orderflow import cli
from orderflow.database.engine import Database, connect
from orderflow.fulfillment import tables as fulfillment
from orderflow.fulfillment.model import DONE, UNDONE, Ended, Step, encode_ended
from orderflow.orders import tables as orders

HOUR = timedelta(hours=1)
PRICE, PIECES = 500, 2
COST = PRICE * PIECES
PRODUCT = "PROD-1"

carrier = sa.table(
    "answers",
    *map(sa.column, ("idempotency_key", "request_hash", "order_id", "shipment_id", "tracking_number")),
    *map(sa.column, ("state", "created_at")),
)
payments = sa.table(
    "payments",
    *map(sa.column, ("idempotency_key", "order_id", "authorization_id", "amount_minor", "currency")),
    *map(sa.column, ("authorized", "voided", "captured_minor", "refunded_minor")),
)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def ended(**steps: str) -> str | None:
    return encode_ended([Ended(Step(name), state) for name, state in steps.items()])


@dataclass
class Stage:
    """The databases of the services, and the ledgers of the simulators."""

    databases: dict[str, Database]
    addresses: dict[str, str]
    made: list[str] = field(default_factory=list[str])

    def execute(self, where: str, *statements: sa.Executable) -> None:
        with self.databases[where].writer.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    def order(self, status: str, *, age: timedelta = HOUR, **columns: Any) -> str:
        """An order whose event was published as soon as it was placed."""
        order_id = str(uuid.uuid4())
        self.made.append(order_id)
        at = datetime.now(UTC) - age
        row = {
            "order_id": order_id,
            "customer_id": "c-1",
            "customer_name": "Ada",
            "currency": "EUR",
            "created_at": at,
            "updated_at": at,
            "correlation_id": "abc",
            "status": status,
            "version": 2,
        }
        item = {"order_id": order_id, "line": 1, "product_id": PRODUCT, "quantity": PIECES}
        event = {
            "order_id": order_id,
            "order_version": 1,
            "event_id": str(uuid.uuid4()),
            "event_type": "OrderCreated",
            "topic": "order-events",
            "payload": "{}",
            "correlation_id": "abc",
            "created_at": at,
            "leased_until_ms": 0,
            "published_at": at,
        }
        self.execute(
            "orders",
            sa.insert(orders.orders).values(row | columns),
            sa.insert(orders.order_items).values(item | {"unit_price_minor": PRICE}),
            sa.insert(orders.outbox).values(event),
        )
        return order_id

    def shipment(self, order_id: str, state: str, **columns: Any) -> None:
        at = datetime.now(UTC) - HOUR
        row = {
            "order_id": order_id,
            "event_id": str(uuid.uuid4()),
            "correlation_id": "abc",
            "ordered_at": at,
            "received_at": at,
            "request": b"{}",
            "amount_minor": COST,
            "currency": "EUR",
            "state": state,
            "attempts": 1,
            "waits": 0,
            "interruptions": 0,
            "due_at_ms": None if state in ("closed", "parked") else ms(datetime.now(UTC) + HOUR),
        }
        self.execute("fulfillment", sa.insert(fulfillment.shipments).values(row | columns))

    def letter(self, order_id: str, state: str) -> None:
        row = {"id": str(uuid.uuid4()), "kind": "payment", "reason": "no", "order_id": order_id}
        rest = {"headers": b"[]", "attempts": 1, "at": datetime.now(UTC), "state": state}
        self.execute("fulfillment", sa.insert(fulfillment.dead_letters).values(row | rest))

    def at_carrier(self, order_id: str, state: str = "live") -> None:
        another = uuid.uuid4().hex
        row = {
            "idempotency_key": another,
            "request_hash": b"",
            "order_id": order_id,
            "shipment_id": another,
            "tracking_number": f"T-{order_id}",
            "state": state,
            "created_at": datetime.now(UTC).isoformat(),
        }
        self.execute("carrier", sa.insert(carrier).values(row))

    def paid(self, order_id: str, *, voided: int = 0, captured: int = 0) -> None:
        another = uuid.uuid4().hex
        row = {
            "idempotency_key": another,
            "order_id": order_id,
            "authorization_id": another,
            "amount_minor": COST,
            "currency": "EUR",
            "authorized": 1,
            "voided": voided,
            "captured_minor": captured,
            "refunded_minor": 0,
        }
        self.execute("payments", sa.insert(payments).values(row))

    def reserve(self, order_id: str) -> None:
        row = {"order_id": order_id, "product_id": PRODUCT, "quantity": PIECES}
        more = sa.update(fulfillment.stock).values(reserved=fulfillment.stock.c.reserved + PIECES)
        self.execute("fulfillment", sa.insert(fulfillment.reservations).values(row), more)

    def shipped(self) -> str:
        order_id = self.order("Shipped")
        set_to = sa.update(orders.orders).where(orders.orders.c.order_id == order_id)
        self.execute("orders", set_to.values(tracking_number=f"T-{order_id}"))
        label = {"shipment_id": order_id, "tracking_number": f"T-{order_id}", "step": "capture"}
        steps = ended(stock=DONE, authorize=DONE, ship=DONE, capture=DONE)
        self.shipment(order_id, "closed", ended=steps, closed_at=datetime.now(UTC), **label)
        self.at_carrier(order_id)
        self.paid(order_id, captured=COST)
        return order_id

    def failed(self) -> str:
        order_id = self.order("Failed", error_message="rejected")
        steps = ended(stock=UNDONE, ship=UNDONE, authorize=UNDONE)
        self.shipment(order_id, "closed", ended=steps, direction="undo", step="stock", error="rejected")
        self.at_carrier(order_id, "voided")
        self.paid(order_id, voided=1)
        return order_id

    def processing(self) -> str:
        """Waits for its next call of the carrier."""
        order_id = self.order("Processing")
        self.shipment(order_id, "ready", ended=ended(stock=DONE, authorize=DONE))
        self.reserve(order_id)
        self.paid(order_id)
        return order_id

    def parked(self) -> str:
        order_id = self.order("Processing", attention_kind="payment", attention_reason="no")
        self.shipment(order_id, "parked", parked_kind="payment", step="authorize")
        self.letter(order_id, "open")
        return order_id

    def forget(self) -> None:
        """Take away all orders, and what belongs to them."""
        by_table = {
            "orders": (orders.orders, orders.order_items, orders.outbox),
            "fulfillment": (
                *(fulfillment.shipments, fulfillment.reservations, fulfillment.dead_letters),
                *(fulfillment.attentions, fulfillment.workers),
            ),
            "carrier": (carrier,),
            "payments": (payments,),
        }
        for where, tables in by_table.items():
            self.execute(where, *map(sa.delete, tables))
        self.execute("fulfillment", sa.update(fulfillment.stock).values(reserved=0, on_hand=100))

    @property
    def urls(self) -> dict[str, str]:
        names = {"ORDERFLOW_ORDERS_URL": "orders", "ORDERFLOW_FULFILLMENT_URL": "fulfillment"}
        return {variable: self.addresses[name] for variable, name in names.items()}

    @property
    def ledgers(self) -> list[str]:
        return [
            *("--carrier-ledger", self.addresses["carrier"]),
            *("--payments-ledger", self.addresses["payments"]),
        ]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    files = {
        "orders": ("orders", directory / "orders.db"),
        "fulfillment": ("fulfillment", directory / "one.db"),
        "carrier": ("carrier-sim", directory / "carrier" / "ledger.db"),
        "payments": ("payment-sim", directory / "payments" / "ledger.db"),
    }
    with ExitStack() as stack:
        stage = Stage({}, {})
        for name, (listener, file) in files.items():
            file.parent.mkdir(exist_ok=True)
            port = stack.enter_context(listening(listener, file.parent))
            stage.addresses[name] = f"http://127.0.0.1:{port}"
            stage.databases[name] = connect(f"sqlite:///{file}", application="test")
            stack.callback(stage.databases[name].dispose)
        counted = {"product_id": PRODUCT, "on_hand": 100, "reserved": 0, "counted_at": datetime.now(UTC)}
        stage.execute("fulfillment", sa.insert(fulfillment.stock).values(counted))
        yield stage


@pytest.fixture
def stage(servers: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in servers.urls.items():
        monkeypatch.setenv(name, value)
    servers.forget()
    yield servers
    servers.forget()


class Tool:
    """`orderflow audit` in this process."""

    def __init__(self, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
        self._stage = stage
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, and what was written to stdout and stderr."""
        self._capsys.readouterr()
        code = cli.run(["audit", "--again-after-s", "0", *arguments])
        written = self._capsys.readouterr()
        return code, written.out, written.err

    def report(self) -> dict[str, Any]:
        code, out, err = self.run("--json", *self._stage.ledgers)
        report = json.loads(out.splitlines()[-1])  # the services of this process log to stdout
        assert code == (1 if report["findings"] else 0), err
        return report

    def findings(self) -> set[tuple[str, str]]:
        """Kinds and subjects."""
        return {(each["kind"], each["subject"]) for each in self.report()["findings"]}


@pytest.fixture
def tool(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Tool:
    return Tool(stage, capsys)
