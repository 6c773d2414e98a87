"""What is done with dead letters, redrives of groups, and an index for retried work."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import UtcTime, UuidText, partial

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index(
        "shipments_retried",
        "shipments",
        ["due_at_ms", "order_id"],
        **partial("due_at_ms IS NOT NULL AND waits > 0"),
    )
    op.add_column("dead_letters", sa.Column("outcome", sa.String(1000)))
    op.add_column("dead_letters", sa.Column("redriven_at", UtcTime))
    op.add_column("dead_letters", sa.Column("redrive_id", UuidText))
    op.create_index("dead_letters_by_kind", "dead_letters", ["kind", "state", "id"])
    op.create_index("dead_letters_of_redrive", "dead_letters", ["redrive_id", "redriven_at"])
    op.create_index(
        "dead_letters_redriven",
        "dead_letters",
        ["order_id"],
        **partial("state = 'redriven'"),
    )
    op.create_table(
        "dead_letter_actions",
        sa.Column("id", UuidText, primary_key=True),
        sa.Column("letter_id", UuidText, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("note", sa.String(1000)),
    )
    op.create_index("dead_letter_actions_of_letter", "dead_letter_actions", ["letter_id", "at"])
    op.create_table(
        "redrives",
        sa.Column("id", UuidText, primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(1000)),
        sa.Column("rate_per_s", sa.Integer, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("note", sa.String(1000)),
        sa.Column("redriven", sa.Integer, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("step_due_ms", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "redrives_running",
        "redrives",
        ["kind"],
        unique=True,
        **partial("state = 'running'"),
    )
