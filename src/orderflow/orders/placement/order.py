"""A new order on its way into the database, and the columns that its parts go to."""

from datetime import datetime
from typing import NamedTuple

from orderflow.contracts.order_events import ORDER_CREATED
from orderflow.orders.outbox import OutboxRow


class PlaceOrder(NamedTuple):
    """An accepted order. Everything about it, its id and its event too, is decided before it is queued.

    The event holds the whole order, and the database makes the rows from it. `key` is None without an
    idempotency key; `request_hash` is over the canonical validated order, so that single and batch calls
    agree.
    """

    order_id: str
    created_at: datetime
    correlation_id: str
    traceparent: str
    event_id: str
    topic: str
    payload: str
    """The event OrderCreated as JSON."""
    items: int
    caller: str
    key: str | None = None
    request_hash: str | None = None

    @property
    def rows(self) -> int:
        return self.items + 3

    @property
    def event(self) -> OutboxRow:
        return OutboxRow(
            self.order_id,
            1,
            self.event_id,
            ORDER_CREATED,
            self.topic,
            self.payload,
            self.correlation_id,
            self.traceparent,
            self.created_at,
        )


POSITION = {name: position for position, name in enumerate(PlaceOrder._fields)}
"""The position of each field in the JSON array that a PlaceOrder becomes."""

KEYS = "idempotency_keys (caller, key, request_hash, order_id, created_at)"
ORDERS = """orders (order_id, customer_id, customer_name, currency, ship_to, created_at, correlation_id,
    status, version, updated_at, created_by)"""
ITEMS = "order_items (order_id, line, product_id, quantity, unit_price_minor)"
OUTBOX = """outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id,
    traceparent, created_at, leased_until_ms)"""
COUNT = "status_counts AS t (slot, status, orders)"
ADDED = "ON CONFLICT (slot, status) DO UPDATE SET orders = t.orders + excluded.orders"
STREAM = "stream (at, changes, size)"
