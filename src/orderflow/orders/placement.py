"""How new orders get into their tables: the hottest statements there are, per dialect.

The database makes all rows of an order out of one parameter: its PlaceOrder as a JSON array, with the event
in it, which is the whole order. So nothing is rendered twice.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy.engine import Connection

from orderflow.database.dialects import NOW_MS
from orderflow.orders.counters import own_slot

KEY_LOCK_TIMEOUT_MS = 10
"""Who waits for a key of another transaction is put aside, by bisection, and tries again later: a neighbour
that was stopped must not hold up the only writer."""


def insert_new(connection: Connection, orders: Sequence[Sequence[Any]], *, lease_ms: int) -> set[str]:
    """Insert orders, items, keys, events and their number; except where an order's key is there already: the
    ids of those.

    `orders` are PlaceOrders, no key twice. Their events belong to this process's own relay for `lease_ms`.
    """
    if not orders:
        return set()
    given = to_json(orders).decode()
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(_POSTGRESQL, (given, lease_ms, own_slot()))
        return {order_id for (order_id,) in rows}
    new = {order_id for (order_id,) in connection.exec_driver_sql(_SQLITE_KEYS, (given,))}
    refused = {order[0] for order in orders if order[_KEY] is not None} - new
    placed = [order for order in orders if order[0] not in refused] if refused else orders
    if refused:
        given = to_json(placed).decode()
    connection.exec_driver_sql(_SQLITE_ORDERS, (given,))
    connection.exec_driver_sql(_SQLITE_ITEMS, (given,))
    connection.exec_driver_sql(_SQLITE_OUTBOX, (given, lease_ms))
    if placed:
        connection.exec_driver_sql(_SQLITE_COUNT, (own_slot(), len(placed)))
    return refused


_KEY = 9

_KEYS = "idempotency_keys (caller, key, request_hash, order_id, created_at)"
_ORDERS = """orders (order_id, customer_id, customer_name, currency, ship_to, created_at, correlation_id,
    status, version, updated_at)"""
_ITEMS = "order_items (order_id, line, product_id, quantity, unit_price_minor)"
_OUTBOX = """outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id,
    traceparent, created_at, leased_until_ms)"""
_COUNT = "status_counts AS t (slot, status, orders)"
_ADDED = "ON CONFLICT (slot, status) DO UPDATE SET orders = t.orders + excluded.orders"

# `event` is there twice: as binary JSON, which is read once and not for every field, and as text, in which
# shipTo keeps the order that the client gets its address back in.
_POSTGRESQL = f"""
WITH given AS MATERIALIZED (
    SELECT (row->>0)::uuid AS order_id, (row->>1)::timestamptz AS created_at, row->>2 AS correlation_id,
        row->>3 AS traceparent, (row->>4)::uuid AS event_id, row->>5 AS topic, row->>6 AS payload,
        (row->>6)::jsonb AS event, row->>8 AS caller, row->>9 AS key, row->>10 AS request_hash
    FROM set_config('lock_timeout', '{KEY_LOCK_TIMEOUT_MS}', true),
        jsonb_array_elements(%s::jsonb) AS rows(row)
), keys AS (
    INSERT INTO {_KEYS}
    SELECT caller, key, request_hash, order_id, created_at
    FROM given WHERE key IS NOT NULL ORDER BY caller, key
    ON CONFLICT DO NOTHING RETURNING order_id
), placed AS MATERIALIZED (
    SELECT * FROM given WHERE key IS NULL OR order_id IN (SELECT order_id FROM keys)
), new_orders AS (
    INSERT INTO {_ORDERS}
    SELECT order_id, event->'customer'->>'customerId', event->'customer'->>'name',
        event->'items'->0->'unitPrice'->>'currency',
        CASE WHEN event ? 'shipTo' THEN payload::json->>'shipTo' END,
        created_at, correlation_id, 'Created', 1, created_at
    FROM placed
), new_items AS (
    INSERT INTO {_ITEMS}
    SELECT order_id, line, item->>'productId', (item->>'quantity')::int,
        (item->'unitPrice'->>'amountMinor')::bigint
    FROM placed, jsonb_array_elements(event->'items') WITH ORDINALITY AS items(item, line)
), new_events AS (
    INSERT INTO {_OUTBOX}
    SELECT order_id, 1, event_id, event->>'eventType', topic, payload, correlation_id,
        traceparent, created_at, {NOW_MS["postgresql"]} + %s
    FROM placed
), counted AS (
    INSERT INTO {_COUNT} SELECT %s, 'Created', count(*) FROM placed HAVING count(*) > 0 {_ADDED}
)
SELECT order_id::text FROM given WHERE key IS NOT NULL AND order_id NOT IN (SELECT order_id FROM keys)
"""

_SQLITE_GIVEN = """
WITH given AS MATERIALIZED (
    SELECT json_extract(value, '$[0]') AS order_id,
        strftime('%Y-%m-%d %H:%M:%f000', json_extract(value, '$[1]')) AS created_at,
        json_extract(value, '$[2]') AS correlation_id, json_extract(value, '$[3]') AS traceparent,
        json_extract(value, '$[4]') AS event_id, json_extract(value, '$[5]') AS topic,
        json_extract(value, '$[6]') AS event, json_extract(value, '$[8]') AS caller,
        json_extract(value, '$[9]') AS key, json_extract(value, '$[10]') AS request_hash
    FROM json_each(?)
)
"""

_SQLITE_KEYS = f"""{_SQLITE_GIVEN}
INSERT INTO {_KEYS} SELECT caller, key, request_hash, order_id, created_at FROM given WHERE key IS NOT NULL
ON CONFLICT DO NOTHING RETURNING order_id
"""

_SQLITE_ORDERS = f"""{_SQLITE_GIVEN}
INSERT INTO {_ORDERS}
SELECT order_id, json_extract(event, '$.customer.customerId'), json_extract(event, '$.customer.name'),
    json_extract(event, '$.items[0].unitPrice.currency'), json_extract(event, '$.shipTo'),
    created_at, correlation_id, 'Created', 1, created_at
FROM given
"""

_SQLITE_ITEMS = f"""{_SQLITE_GIVEN}
INSERT INTO {_ITEMS}
SELECT order_id, items.key + 1, json_extract(items.value, '$.productId'),
    json_extract(items.value, '$.quantity'), json_extract(items.value, '$.unitPrice.amountMinor')
FROM given, json_each(event, '$.items') AS items
"""

_SQLITE_OUTBOX = f"""{_SQLITE_GIVEN}
INSERT INTO {_OUTBOX}
SELECT order_id, 1, event_id, json_extract(event, '$.eventType'), topic, event, correlation_id, traceparent,
    created_at, {NOW_MS["sqlite"]} + ?
FROM given
"""

_SQLITE_COUNT = f"INSERT INTO {_COUNT} VALUES (?, 'Created', ?) {_ADDED}"
