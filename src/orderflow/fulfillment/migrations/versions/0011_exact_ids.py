"""SQL Server takes texts for equal that differ only in spaces at their ends, in whatever collation. So it
refuses ids that end with a space."""

from alembic import op

revision = "0011"
down_revision = "0010"

IDS = (("stock", "product_id"), ("reservations", "product_id"), ("fulfillment_api_keys", "customer_id"))


def upgrade() -> None:
    if op.get_bind().dialect.name == "mssql":
        for table, column in IDS:
            op.create_check_constraint(
                f"{table}_{column}_is_exact", table, f"DATALENGTH({column}) = DATALENGTH(RTRIM({column}))"
            )
