"""Who was sent an order's idempotency key, and which carriers a worker can ask.

Nobody wrote it down before: a worker fills it in for the intents that it finds, with its own carrier.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("shipments", sa.Column("party", sa.String(500)))
    op.add_column("workers", sa.Column("parties", sa.Text))
