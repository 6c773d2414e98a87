"""Databases that were restored from a backup, and what is left of an embedded deployment beside them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orderflow import cli
from orderflow.contracts.instants import utc_text
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import dead_letters, shipments
from orderflow.messaging import Message
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.commands import place_orders
from orderflow.orders.events import of_move, order_created
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.placement import PlaceOrder
from orderflow.orders.tables import orders
from orderflow.runtime.ids import new_uuid4, new_uuid7

NOW = datetime.now(UTC).replace(microsecond=0)
TOPIC = "order-events"
CONTENT = '{"customer":{"customerId":"c","name":"n"},"items":[{"productId":"p","quantity":1}]}'
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-00"


class Restored:
    """An orders database that lacks what its topic has."""

    def __init__(self, directory: Path, *urls: str) -> None:
        data = directory / ".orderflow"
        data.mkdir()
        self._log_file = data / "events.db"
        of_orders, of_fulfillment = urls or [
            f"sqlite:///{data / name}.db" for name in ("orders", "fulfillment")
        ]
        self.orders: Database = connect(of_orders, application="test")
        fulfillment = connect(of_fulfillment, application="test")
        migrate(self.orders, ORDERS)
        migrate(fulfillment, FULFILLMENT)
        self.fulfillment = fulfillment
        self.publish([])

    def publish(self, payloads: list[tuple[str, str]]) -> None:
        log = EmbeddedLog(self._log_file)
        headers = (("traceparent", TRACEPARENT.encode()),)
        messages = [Message(TOPIC, order_id, text.encode(), headers) for order_id, text in payloads]
        log.publisher().publish(messages)
        log.close()

    def order(self, key: str | None = None, at: datetime = NOW) -> PlaceOrder:
        order_id, event_id = new_uuid7(int(at.timestamp() * 1000)), new_uuid4()
        event = order_created(CONTENT, event_id, order_id, utc_text(at), "c", placed_by="shop", key=key)
        hashed = None if key is None else "another"
        return PlaceOrder(order_id, at, "c", TRACEPARENT, event_id, TOPIC, event, 1, "shop", key, hashed)

    def lose(self, key: str | None = None, at: datetime = NOW) -> str:
        """An order that only the topic has."""
        placed = self.order(key, at)
        self.publish([(placed.order_id, placed.payload)])
        return placed.order_id

    def place(self, placed: PlaceOrder) -> str:
        with self.orders.writer.begin() as connection:
            tx = Transaction(connection)
            place_orders(tx, [placed])
            tx.send()
        return placed.order_id

    def move(self, order_id: str, event_type: str, version: int) -> None:
        event = of_move(
            event_type,
            topic=TOPIC,
            order_id=order_id,
            order_version=version,
            at=NOW,
            correlation_id="c",
            traceparent=None,
        )
        self.publish([(order_id, event.payload)])

    def end(self, order_id: str, status: str, **columns: Any) -> None:
        ended = sa.update(orders).where(orders.c.order_id == order_id)
        with self.orders.writer.begin() as connection:
            connection.execute(ended.values(status=status, updated_at=NOW, **columns))

    def put_shipment(self, order_id: str, state: str, **columns: Any) -> None:
        values = {
            "order_id": order_id,
            "event_id": new_uuid4(),
            "correlation_id": "c",
            "ordered_at": NOW,
            "received_at": NOW,
            "request": CONTENT.encode(),
            "state": state,
            "attempts": 2,
            "waits": 0,
            "interruptions": 0,
        }
        with self.fulfillment.writer.begin() as connection:
            connection.execute(sa.insert(shipments).values(values | columns))

    def put_letter(self, order_id: str, topic: str | None = None) -> None:
        values = {
            "id": new_uuid4(),
            "kind": "carrier-changed",
            "reason": "another carrier",
            "order_id": order_id,
            "topic": topic,
            "headers": b"[]",
            "attempts": 1,
            "at": NOW,
            "state": "open",
        }
        with self.fulfillment.writer.begin() as connection:
            connection.execute(sa.insert(dead_letters).values(values))

    def shipment(self, order_id: str) -> Any:
        with self.fulfillment.reader.connect() as connection:
            return connection.execute(sa.select(shipments).where(shipments.c.order_id == order_id)).one()

    def letters(self) -> dict[tuple[str, str | None], str]:
        c = dead_letters.c
        with self.fulfillment.reader.connect() as connection:
            return {
                (row.order_id, row.topic): row.state
                for row in connection.execute(sa.select(c.order_id, c.topic, c.state))
            }

    def status(self, order_id: str) -> tuple[str, int] | None:
        found = self.rows(sa.select(orders.c.status, orders.c.version).where(orders.c.order_id == order_id))
        return (found[0][0], found[0][1]) if found else None

    def rows(self, query: Any) -> list[Any]:
        with self.orders.reader.connect() as connection:
            return list(connection.execute(query).all())


def recover(*options: str) -> int:
    return cli.run(["recover", "--since", "1h", *(options or ("--yes",))])
