"""A shipment keeps which of its calls have failed, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("shipments", sa.Column("failed_calls", sa.Text))
