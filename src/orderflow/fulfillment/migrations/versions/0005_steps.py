"""The steps of an order's saga: the present one and its direction, and those that ended before it.

Every order that an earlier release has left is at the step `ship`, which was the only one.
"""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime

revision = "0005"
down_revision = "0004"
# The programs before know no step but `ship`.
contract = True


def upgrade() -> None:
    op.add_column("shipments", sa.Column("amount_minor", sa.BigInteger))
    op.add_column("shipments", sa.Column("currency", sa.String(3)))
    op.add_column("shipments", sa.Column("step", sa.String(16), nullable=False, server_default="ship"))
    op.add_column("shipments", sa.Column("direction", sa.String(4), nullable=False, server_default="do"))
    op.add_column("shipments", sa.Column("ended", sa.Text))
    op.add_column("shipments", sa.Column("cancel_requested_at", UtcTime))
    op.add_column("dead_letters", sa.Column("step", sa.String(32)))
    letters = sa.table("dead_letters", sa.column("step"), sa.column("topic"))
    op.execute(sa.update(letters).where(letters.c.topic.is_(None)).values(step="ship"))
