"""Orders are found by tracking number, and by idempotency key whoever its caller is: the key comes first in
the primary key of the keys."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, partial

revision = "0008"
down_revision = "0007"

TABLE = "idempotency_keys"
PRIMARY_KEY = "idempotency_keys_pkey"
BY_KEY = "idempotency_keys_by_key"
BEFORE = "idempotency_keys_before"
COLUMNS = "caller, key, request_hash, order_id, created_at"


def upgrade() -> None:
    op.create_index(
        "orders_by_tracking_number",
        "orders",
        ["tracking_number", "order_id"],
        if_not_exists=True,
        **partial("tracking_number IS NOT NULL"),
    )
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        _copy_the_table()
    elif dialect == "postgresql":
        # Both indexes may have been built before, beside the orders that are taken.
        op.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {BY_KEY} ON {TABLE} (key, caller)")
        op.execute(
            f"ALTER TABLE {TABLE} DROP CONSTRAINT {PRIMARY_KEY}, "
            f"ADD CONSTRAINT {PRIMARY_KEY} PRIMARY KEY USING INDEX {BY_KEY}"
        )
    else:
        op.drop_constraint(PRIMARY_KEY, TABLE, type_="primary")
        # SQL Server sorts the rows by another index already, so it does not by this key.
        op.create_primary_key(PRIMARY_KEY, TABLE, ["key", "caller"])


def _copy_the_table() -> None:
    """SQLite cannot change a primary key."""
    op.drop_index("idempotency_keys_by_order", TABLE)
    op.rename_table(TABLE, BEFORE)
    op.create_table(
        TABLE,
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("order_id", UuidText, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("key", "caller", name=PRIMARY_KEY),
    )
    op.execute(f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {BEFORE}")  # noqa: S608
    op.drop_table(BEFORE)
    op.create_index("idempotency_keys_by_order", TABLE, ["order_id"])
