"""Which carrier was sent an order's idempotency key, and which carriers a worker can ask.

Earlier releases did not store the former: a worker fills it in, with its own carrier, for the intents it
finds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("shipments", sa.Column("party", sa.String(500)))
    op.add_column("workers", sa.Column("parties", sa.Text))
