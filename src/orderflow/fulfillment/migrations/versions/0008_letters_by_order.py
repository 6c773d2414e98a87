"""Dead letters are found by their order, to be erased with it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    named = sa.text("order_id IS NOT NULL")
    op.create_index(
        "dead_letters_by_order",
        "dead_letters",
        ["order_id", "id"],
        postgresql_where=named,
        sqlite_where=named,
    )
