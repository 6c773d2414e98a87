"""Webhooks: who gets the changes of orders, and the messages that were not taken at once."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("endpoint_id", UuidText, primary_key=True),
        sa.Column("url", sa.String(1000), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("event_types", sa.String(200)),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("missed", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("failing_since", UtcTime),
        sa.Column("last_error", sa.String(200)),
        sa.Column("owner", UuidText),
        sa.Column("leased_until_ms", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "webhook_messages",
        sa.Column("endpoint_id", UuidText, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("order_id", UuidText, nullable=False),
        sa.Column("order_version", sa.Integer, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("dead_at", UtcTime),
    )
