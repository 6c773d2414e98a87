"""New orders in PostgreSQL: one statement for all of their rows."""

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

KEY_LOCK_TIMEOUT_MS = 10
"""How long an order waits for a key that another transaction is inserting. After that the batch is bisected
to set the order aside, and it is tried again later, so that another process that was stopped cannot hold up
the only writer."""


def insert_new(connection: Connection, orders: Sequence[PlaceOrder], lease_ms: int) -> set[str]:
    """As `placement.insert_new`, for at least one order."""
    rows = connection.exec_driver_sql(_INSERT, (to_json(orders).decode(), lease_ms, own_slot()))
    return {order_id for (order_id,) in rows}


def _field(name: str) -> str:
    return f"row->>{POSITION[name]}"


# As `utc_text` writes it.
_CREATED = """to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""

# The event appears twice: as jsonb, which is parsed once instead of once for every field, and as text, which
# keeps the fields of shipTo in the order in which the client gets its address back.
_INSERT = f"""
WITH given AS MATERIALIZED (
    SELECT ({_field("order_id")})::uuid AS order_id, ({_field("created_at")})::timestamptz AS created_at,
        {_field("correlation_id")} AS correlation_id, {_field("traceparent")} AS traceparent,
        ({_field("event_id")})::uuid AS event_id, {_field("topic")} AS topic, {_field("payload")} AS payload,
        ({_field("payload")})::jsonb AS event, {_field("caller")} AS caller, {_field("key")} AS key,
        {_field("request_hash")} AS request_hash
    FROM set_config('lock_timeout', '{KEY_LOCK_TIMEOUT_MS}', true),
        jsonb_array_elements(%s::jsonb) AS rows(row)
), keys AS (
    INSERT INTO {KEYS}
    SELECT caller, key, request_hash, order_id, created_at
    FROM given WHERE key IS NOT NULL ORDER BY caller, key
    ON CONFLICT DO NOTHING RETURNING order_id
), placed AS MATERIALIZED (
    SELECT * FROM given WHERE key IS NULL OR order_id IN (SELECT order_id FROM keys)
), new_orders AS (
    INSERT INTO {ORDERS}
    SELECT order_id, event->'customer'->>'customerId', event->'customer'->>'name',
        event->'items'->0->'unitPrice'->>'currency',
        CASE WHEN event ? 'shipTo' THEN payload::json->>'shipTo' END,
        created_at, correlation_id, 'Created', 1, created_at, caller
    FROM placed
), new_items AS (
    INSERT INTO {ITEMS}
    SELECT order_id, line, item->>'productId', (item->>'quantity')::int,
        (item->'unitPrice'->>'amountMinor')::bigint
    FROM placed, jsonb_array_elements(event->'items') WITH ORDINALITY AS items(item, line)
), new_events AS (
    INSERT INTO {OUTBOX}
    SELECT order_id, 1, event_id, event->>'eventType', topic, payload, correlation_id,
        traceparent, created_at, {DIALECTS["postgresql"].now_ms} + %s
    FROM placed
), new_changes AS (
    INSERT INTO {STREAM}
    SELECT min(created_at),
        json_agg(json_build_array(order_id, 1, 'Created', {_CREATED}, event->'customer'->>'customerId')),
        count(*)
    FROM placed HAVING count(*) > 0
), counted AS (
    INSERT INTO {COUNT} SELECT %s, 'Created', count(*) FROM placed HAVING count(*) > 0 {ADDED}
)
SELECT order_id::text FROM given WHERE key IS NOT NULL AND order_id NOT IN (SELECT order_id FROM keys)
"""
