"""An index of the idempotency keys by age: an order's id begins with its time."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("idempotency_keys_by_order", "idempotency_keys", ["order_id"], mssql_clustered=True)
