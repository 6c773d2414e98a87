"""What there is of each product, and what of it is reserved for orders."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, exact_text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("product_id", exact_text(200), primary_key=True),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("counted_at", UtcTime, nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", UuidText, primary_key=True),
        sa.Column("product_id", exact_text(200), primary_key=True),
        sa.Column("quantity", sa.BigInteger, nullable=False),
    )
