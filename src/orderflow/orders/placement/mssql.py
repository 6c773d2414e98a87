"""New orders in SQL Server: one message for all of their rows."""

from collections.abc import Sequence

from pydantic_core import to_json
from sqlalchemy.engine import Connection

from orderflow.database.dialects import DIALECTS
from orderflow.database.dialects.mssql import batch
from orderflow.database.dialects.transact_sql import COLLATION
from orderflow.orders.counters import own_slot
from orderflow.orders.placement.order import ITEMS, ORDERS, OUTBOX, POSITION, STREAM, PlaceOrder

KEY_LOCK_TIMEOUT_MS = 10
"""How long an order waits for a key that another transaction is inserting. After that the batch is bisected
to set the order aside, and it is tried again later, so that another process that was stopped cannot hold up
the only writer."""


def insert_new(connection: Connection, orders: Sequence[PlaceOrder], lease_ms: int) -> set[str]:
    """As `placement.insert_new`, for at least one order."""
    rows = connection.exec_driver_sql(INSERT, (to_json(orders).decode(), lease_ms, own_slot()))
    return {order_id for (order_id,) in rows}


_ID = f"CHAR(36) COLLATE {COLLATION}"
_FIELDS = {
    "order_id": "CHAR(36)",
    "created_at": "DATETIME2(6)",
    "correlation_id": "NVARCHAR(400)",
    "traceparent": "NVARCHAR(110)",
    "event_id": "CHAR(36)",
    "topic": "NVARCHAR(400)",
    "payload": "NVARCHAR(max)",
    "caller": "NVARCHAR(128)",
    "key": "NVARCHAR(510)",
    "request_hash": "NVARCHAR(128)",
}
_NAMES = ", ".join(f"[{name}]" for name in _FIELDS)
_IN_JSON = ",\n    ".join(f"[{name}] {kind} '$[{POSITION[name]}]'" for name, kind in _FIELDS.items())
_IN_TABLE = ",\n    ".join(
    f"[{name}] {kind}" if name == "created_at" else f"[{name}] {kind} COLLATE {COLLATION}"
    for name, kind in _FIELDS.items()
)

# As `utc_text` writes it.
_CREATED = (
    "CONVERT(CHAR(19), given.created_at, 126) + '.'"
    " + RIGHT('00' + CAST(DATEPART(millisecond, given.created_at) AS VARCHAR(3)), 3) + 'Z'"
)
_CUSTOMER_ID = "JSON_VALUE(given.payload, '$.customer.customerId')"

# A key that another transaction is inserting is waited for, and so is a key in the same gap of the index.
_KEYS = """INSERT INTO idempotency_keys (caller, [key], request_hash, order_id, created_at)
OUTPUT inserted.order_id INTO @placed
SELECT given.caller, given.[key], given.request_hash, given.order_id, given.created_at
FROM @given AS given
WHERE given.[key] IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM idempotency_keys AS there WITH (UPDLOCK, SERIALIZABLE)
    WHERE there.caller = given.caller AND there.[key] = given.[key]
)
ORDER BY given.caller, given.[key]"""

_INSERT_ORDERS = f"""INSERT INTO {ORDERS}
SELECT given.order_id, {_CUSTOMER_ID}, JSON_VALUE(given.payload, '$.customer.name'),
    JSON_VALUE(given.payload, '$.items[0].unitPrice.currency'), JSON_QUERY(given.payload, '$.shipTo'),
    given.created_at, given.correlation_id, 'Created', 1, given.created_at, given.caller
FROM @given AS given"""

_INSERT_ITEMS = f"""INSERT INTO {ITEMS}
SELECT given.order_id, CAST(item.[key] AS INT) + 1, JSON_VALUE(item.value, '$.productId'),
    CAST(JSON_VALUE(item.value, '$.quantity') AS INT),
    CAST(JSON_VALUE(item.value, '$.unitPrice.amountMinor') AS BIGINT)
FROM @given AS given CROSS APPLY OPENJSON(given.payload, '$.items') AS item"""

_INSERT_OUTBOX = f"""INSERT INTO {OUTBOX}
SELECT given.order_id, 1, given.event_id, JSON_VALUE(given.payload, '$.eventType'), given.topic,
    given.payload, given.correlation_id, given.traceparent, given.created_at,
    {DIALECTS["mssql"].now_ms} + @lease_ms
FROM @given AS given"""

_CHANGE = (
    f"""'["' + given.order_id + '",1,"Created","' + {_CREATED} + '","'"""
    f""" + STRING_ESCAPE({_CUSTOMER_ID}, 'json') + '"]'"""
)
_INSERT_CHANGES = f"""INSERT INTO {STREAM}
SELECT MIN(given.created_at), '[' + STRING_AGG(CAST({_CHANGE} AS NVARCHAR(max)), ',') + ']', COUNT(*)
FROM @given AS given
HAVING COUNT(*) > 0"""

INSERT = "DECLARE @rows NVARCHAR(max) = ?, @lease_ms BIGINT = ?, @slot INT = ?;\n" + batch(
    [
        f"SET LOCK_TIMEOUT {KEY_LOCK_TIMEOUT_MS}",
        f"DECLARE @given TABLE (\n    {_IN_TABLE}\n)",
        f"DECLARE @placed TABLE (order_id {_ID} PRIMARY KEY)",
        f"DECLARE @refused TABLE (order_id {_ID} PRIMARY KEY)",
        f"INSERT INTO @given ({_NAMES})\nSELECT {_NAMES} FROM OPENJSON(@rows) WITH (\n    {_IN_JSON}\n)",
        _KEYS,
        "INSERT INTO @refused (order_id)\nSELECT order_id FROM @given\n"
        "WHERE [key] IS NOT NULL AND order_id NOT IN (SELECT order_id FROM @placed)",
        "DELETE FROM @given WHERE order_id IN (SELECT order_id FROM @refused)",
        _INSERT_ORDERS,
        _INSERT_ITEMS,
        _INSERT_OUTBOX,
        _INSERT_CHANGES,
        "DECLARE @orders BIGINT = (SELECT COUNT(*) FROM @given)",
        "UPDATE status_counts SET orders = orders + @orders FROM status_counts WITH (UPDLOCK, SERIALIZABLE)\n"
        "WHERE slot = @slot AND status = 'Created'",
        "INSERT INTO status_counts (slot, status, orders)\nSELECT @slot, 'Created', @orders\n"
        "WHERE NOT EXISTS (SELECT 1 FROM status_counts WHERE slot = @slot AND status = 'Created')",
        "SELECT order_id FROM @refused",
    ]
)
