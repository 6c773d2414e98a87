"""Webhooks: the secrets that an endpoint had before, with which messages are signed for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("former_secrets", sa.Text))
