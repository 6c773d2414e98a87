"""Dead letters are found by their order, to be erased with it."""

from alembic import op

from orderflow.database.dialects import partial

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index(
        "dead_letters_by_order",
        "dead_letters",
        ["order_id", "id"],
        **partial("order_id IS NOT NULL"),
    )
