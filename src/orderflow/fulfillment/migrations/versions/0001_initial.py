"""Shipments, processed events, workers, attentions and dead letters."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, partial

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_shipments()
    _create_processed_events()
    _create_workers()
    _create_attentions()
    _create_dead_letters()


def _create_shipments() -> None:
    op.create_table(
        "shipments",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("event_id", UuidText, nullable=False),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("traceparent", sa.String(55)),
        sa.Column("ordered_at", UtcTime, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("waits", sa.Integer, nullable=False),
        sa.Column("interruptions", sa.Integer, nullable=False),
        sa.Column("due_at_ms", sa.BigInteger),
        sa.Column("worker_id", sa.String(64)),
        sa.Column("epoch", sa.BigInteger),
        sa.Column("intent_at", UtcTime),
        sa.Column("shipment_id", sa.String(200)),
        sa.Column("carrier", sa.String(200)),
        sa.Column("tracking_number", sa.String(200)),
        sa.Column("shipped_at", UtcTime),
        sa.Column("error", sa.String(1000)),
        sa.Column("note", sa.String(1000)),
        sa.Column("parked_kind", sa.String(64)),
        sa.Column("closed_at", UtcTime),
    )
    op.create_index(
        "shipments_due",
        "shipments",
        ["due_at_ms", "order_id"],
        **partial("due_at_ms IS NOT NULL"),
    )
    op.create_index(
        "shipments_parked",
        "shipments",
        ["order_id"],
        **partial("parked_kind IS NOT NULL"),
    )


def _create_processed_events() -> None:
    op.create_table(
        "processed_events",
        sa.Column("event_id", UuidText, primary_key=True),
        sa.Column("order_id", UuidText, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
    )


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(64), primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
    )


def _create_attentions() -> None:
    op.create_table(
        "attentions",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("correlation_id", sa.String(200)),
        sa.Column("due_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "attentions_due",
        "attentions",
        ["due_at_ms"],
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", UuidText, primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("order_id", UuidText),
        sa.Column("topic", sa.String(249)),
        sa.Column("partition", sa.Integer),
        sa.Column("offset", sa.BigInteger),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("copy_due_ms", sa.BigInteger),
    )
    op.create_index(
        "dead_letters_to_copy",
        "dead_letters",
        ["copy_due_ms"],
        **partial("copy_due_ms IS NOT NULL"),
    )
