"""An index to count parked events without reading every waiting one. PostgreSQL vacuums the tables that serve
as queues early, because they have many updates and deletions, and leaves room beside counters."""

from alembic import op

from orderflow.database.dialects import partial

revision = "0003"
down_revision = "0002"

QUEUES = ("outbox", "idempotency_keys")


def upgrade() -> None:
    op.create_index("outbox_parked", "outbox", ["order_id"], **partial("parked_reason IS NOT NULL"))
    if op.get_bind().dialect.name == "postgresql":
        for table in QUEUES:
            op.execute(
                f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
                " autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.1)"
            )
        op.execute("ALTER TABLE status_counts SET (fillfactor = 20)")
