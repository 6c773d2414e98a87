"""The tables of the orders database. Migrations make them; a test fails when the two drift apart.

Times are UTC. `orders` and `order_items` may be read by reports; everything else is private.
"""

import sqlalchemy as sa

from orderflow.database.audit import audit_table
from orderflow.database.dialects import UtcTime, UuidText, partial
from orderflow.security.keys import key_table

metadata = sa.MetaData()
api_keys = key_table("api_keys", metadata)
audit_log = audit_table("audit_log", metadata)


orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    # Immutable after creation: a replayed answer is rendered from these and the items.
    sa.Column("customer_id", sa.String(200), nullable=False),
    sa.Column("customer_name", sa.String(200), nullable=False),
    sa.Column("currency", sa.String(3)),
    sa.Column("ship_to", sa.Text),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("correlation_id", sa.String(200), nullable=False),
    # The caller's name; null for an order that an earlier release took.
    sa.Column("created_by", sa.String(64)),
    # What status updates change.
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("carrier", sa.String(200)),
    sa.Column("tracking_number", sa.String(200)),
    sa.Column("shipped_at", UtcTime),
    sa.Column("error_message", sa.String(1000)),
    sa.Column("attention_kind", sa.String(64)),
    sa.Column("attention_reason", sa.String(1000)),
    sa.Column("attention_since", UtcTime),
    sa.Index("orders_by_status", "status", "order_id"),
    sa.Index("orders_by_customer", "customer_id", "order_id"),
    sa.Index(
        "orders_with_attention",
        "order_id",
        **partial("attention_kind IS NOT NULL"),
    ),
    sa.Index(
        "orders_by_tracking_number",
        "tracking_number",
        "order_id",
        **partial("tracking_number IS NOT NULL"),
    ),
)

order_items = sa.Table(
    "order_items",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("product_id", sa.String(200), nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price_minor", sa.BigInteger),
    sa.Index("order_items_by_product", "product_id", "order_id"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("caller", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("order_id", UuidText, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    # The key comes first, so that it is found whoever its caller is. SQL Server would sort the rows by this,
    # and such a key must be shorter than it can be.
    sa.PrimaryKeyConstraint("key", "caller", name="idempotency_keys_pkey", mssql_clustered=False),
    sa.Index("idempotency_keys_by_order", "order_id", mssql_clustered=True),
)

order_changes = sa.Table(
    "order_changes",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", sa.String(1000)),
    sa.Column("correlation_id", sa.String(200), nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    sa.Column("order_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_id", UuidText, nullable=False),
    sa.Column("event_type", sa.String(64), nullable=False),
    sa.Column("topic", sa.String(200), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("correlation_id", sa.String(200), nullable=False),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("leased_until_ms", sa.BigInteger, nullable=False),
    sa.Column("published_at", UtcTime),
    sa.Column("partition", sa.Integer),
    sa.Column("offset", sa.BigInteger),
    sa.Column("parked_reason", sa.String(1000)),
    sa.Column("re_emissions", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The sweep and the backlog read this index; a published row drops out of it.
    sa.Index(
        "outbox_unpublished",
        "order_id",
        "order_version",
        **partial("published_at IS NULL"),
    ),
    sa.Index(
        "outbox_parked",
        "order_id",
        **partial("parked_reason IS NOT NULL"),
    ),
)

status_counts = sa.Table(
    "status_counts",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", sa.String(16), primary_key=True),
    sa.Column("orders", sa.BigInteger, nullable=False),
)

stream = sa.Table(
    "stream",
    metadata,
    # It sorts the rows that wait; the position is given later.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    # A JSON array of `stream.Change`, which have `size` consecutive positions.
    sa.Column("changes", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("first_position", sa.BigInteger),
    sa.Index(
        "stream_waiting",
        "id",
        **partial("first_position IS NULL"),
    ),
    sa.Index(
        "stream_by_position",
        "first_position",
        unique=True,
        **partial("first_position IS NOT NULL"),
    ),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("endpoint_id", UuidText, primary_key=True),
    sa.Column("url", sa.String(1000), nullable=False),
    # As it is, because each message is signed with it.
    sa.Column("secret", sa.String(64), nullable=False),
    # Types with spaces between; null for all.
    sa.Column("event_types", sa.String(200)),
    sa.Column("created_at", UtcTime, nullable=False),
    # Every change before this position was taken by the receiver, is in `webhook_messages` or is not wanted.
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("missed", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("failing_since", UtcTime),
    sa.Column("last_error", sa.String(200)),
    # The process that delivers.
    sa.Column("owner", UuidText),
    sa.Column("leased_until_ms", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    # [[secret, until when], …] in JSON: messages are signed with these as well.
    sa.Column("former_secrets", sa.Text),
)

webhook_messages = sa.Table(
    "webhook_messages",
    metadata,
    sa.Column("endpoint_id", UuidText, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order_id", UuidText, nullable=False),
    sa.Column("order_version", sa.Integer, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("reason", sa.String(200)),
    # When it became a dead letter.
    sa.Column("dead_at", UtcTime),
)
