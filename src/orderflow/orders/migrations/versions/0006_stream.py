"""The stream of changes. It begins with the first change after this revision."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, partial

revision = "0006"
down_revision = "0005"

TABLE = "stream"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("first_position", sa.BigInteger),
    )
    op.create_index("stream_waiting", TABLE, ["id"], **partial("first_position IS NULL"))
    op.create_index(
        "stream_by_position",
        TABLE,
        ["first_position"],
        unique=True,
        **partial("first_position IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE {TABLE} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.1)"
        )
