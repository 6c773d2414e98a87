"""Who has changed what by hand. The database itself refuses to change or delete an entry."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, of

revision = "0005"
down_revision = "0004"

TABLE = "audit_log"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", UuidText, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(1000)),
        sa.Column("correlation_id", sa.String(200), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    for statement in of(op.get_bind()).append_only(TABLE):
        op.execute(statement)
