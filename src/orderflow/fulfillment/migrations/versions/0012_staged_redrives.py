"""A redrive may go in stages, and knows how many letters there were when it began. Open letters are found
however many others there are."""

import sqlalchemy as sa
from alembic import op

from orderflow.database.dialects import partial

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("redrives", sa.Column("staged", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("redrives", sa.Column("letters", sa.Integer))
    op.create_index("dead_letters_open", "dead_letters", ["id"], **partial("state = 'open'"))
