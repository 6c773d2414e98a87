"""Orders with their fulfillment columns, items, idempotency keys, history, outbox and counters."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, partial

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_orders()
    _create_order_items()
    _create_idempotency_keys()
    _create_order_changes()
    _create_outbox()
    _create_status_counts()


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("customer_id", sa.String(200), nullable=False),
        sa.Column("customer_name", sa.String(200), nullable=False),
        sa.Column("currency", sa.String(3)),
        sa.Column("ship_to", sa.Text),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("correlation_id", sa.String(200), nullable=False),
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
    )
    op.create_index("orders_by_status", "orders", ["status", "order_id"])
    op.create_index("orders_by_customer", "orders", ["customer_id", "order_id"])
    op.create_index(
        "orders_with_attention",
        "orders",
        ["order_id"],
        **partial("attention_kind IS NOT NULL"),
    )


def _create_order_items() -> None:
    op.create_table(
        "order_items",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("product_id", sa.String(200), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger),
    )
    op.create_index("order_items_by_product", "order_items", ["product_id", "order_id"])


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("order_id", UuidText, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        # SQL Server would sort the rows by it, and such a key must be shorter than it can be.
        sa.PrimaryKeyConstraint("caller", "key", name="idempotency_keys_pkey", mssql_clustered=False),
    )


def _create_order_changes() -> None:
    op.create_table(
        "order_changes",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(1000)),
        sa.Column("correlation_id", sa.String(200), nullable=False),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
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
    )
    op.create_index(
        "outbox_unpublished",
        "outbox",
        ["order_id", "order_version"],
        **partial("published_at IS NULL"),
    )


def _create_status_counts() -> None:
    op.create_table(
        "status_counts",
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(16), primary_key=True),
        sa.Column("orders", sa.BigInteger, nullable=False),
    )
