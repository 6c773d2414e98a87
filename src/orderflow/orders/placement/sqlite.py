"""New orders in SQLite: keys first, then a statement for each table."""

from collections.abc import Sequence

from pydantic_core import to_json
from sqlalchemy.engine import Connection

from orderflow.database.dialects import DIALECTS
from orderflow.orders.counters import own_slot
from orderflow.orders.placement.order import (
    ADDED,
    COUNT,
    ITEMS,
    KEYS,
    ORDERS,
    OUTBOX,
    POSITION,
    STREAM,
    PlaceOrder,
)


def insert_new(connection: Connection, orders: Sequence[PlaceOrder], lease_ms: int) -> set[str]:
    """As `placement.insert_new`, for at least one order."""
    given = to_json(orders).decode()
    new = {order_id for (order_id,) in connection.exec_driver_sql(_INSERT_KEYS, (given,))}
    refused = {order.order_id for order in orders if order.key is not None} - new
    placed = len(orders) - len(refused)
    if refused:
        given = to_json([order for order in orders if order.order_id not in refused]).decode()
    connection.exec_driver_sql(_INSERT_ORDERS, (given,))
    connection.exec_driver_sql(_INSERT_ITEMS, (given,))
    connection.exec_driver_sql(_INSERT_OUTBOX, (given, lease_ms))
    if placed:
        connection.exec_driver_sql(_INSERT_CHANGES, (given,))
        connection.exec_driver_sql(_COUNT, (own_slot(), placed))
    return refused


def _field(name: str) -> str:
    return f"json_extract(value, '$[{POSITION[name]}]')"


_GIVEN = f"""
WITH given AS MATERIALIZED (
    SELECT {_field("order_id")} AS order_id,
        strftime('%Y-%m-%d %H:%M:%f000', {_field("created_at")}) AS created_at,
        {_field("correlation_id")} AS correlation_id, {_field("traceparent")} AS traceparent,
        {_field("event_id")} AS event_id, {_field("topic")} AS topic, {_field("payload")} AS event,
        {_field("caller")} AS caller, {_field("key")} AS key, {_field("request_hash")} AS request_hash
    FROM json_each(?)
)
"""

_INSERT_KEYS = f"""{_GIVEN}
INSERT INTO {KEYS} SELECT caller, key, request_hash, order_id, created_at FROM given WHERE key IS NOT NULL
ON CONFLICT DO NOTHING RETURNING order_id
"""

_INSERT_ORDERS = f"""{_GIVEN}
INSERT INTO {ORDERS}
SELECT order_id, json_extract(event, '$.customer.customerId'), json_extract(event, '$.customer.name'),
    json_extract(event, '$.items[0].unitPrice.currency'), json_extract(event, '$.shipTo'),
    created_at, correlation_id, 'Created', 1, created_at, caller
FROM given
"""

_INSERT_ITEMS = f"""{_GIVEN}
INSERT INTO {ITEMS}
SELECT order_id, items.key + 1, json_extract(items.value, '$.productId'),
    json_extract(items.value, '$.quantity'), json_extract(items.value, '$.unitPrice.amountMinor')
FROM given, json_each(event, '$.items') AS items
"""

_INSERT_OUTBOX = f"""{_GIVEN}
INSERT INTO {OUTBOX}
SELECT order_id, 1, event_id, json_extract(event, '$.eventType'), topic, event, correlation_id, traceparent,
    created_at, {DIALECTS["sqlite"].now_ms} + ?
FROM given
"""

_INSERT_CHANGES = f"""{_GIVEN}
INSERT INTO {STREAM}
SELECT min(created_at), json_group_array(json_array(
    order_id, 1, 'Created', strftime('%Y-%m-%dT%H:%M:%fZ', created_at),
    json_extract(event, '$.customer.customerId'))), count(*)
FROM given
"""

_COUNT = f"INSERT INTO {COUNT} VALUES (?, 'Created', ?) {ADDED}"
