"""Makes the databases that its arguments name, where they are missing, on the SQL Server whose `master` the
variable ORDERFLOW_TEST_MSSQL_URL names. It runs in .venv, which has the driver."""

import os
import sys

import sqlalchemy as sa

from orderflow.database import mssql_engine
from orderflow.database.urls import parse_url


def main() -> None:
    url = parse_url(os.environ["ORDERFLOW_TEST_MSSQL_URL"])
    server = sa.create_engine(mssql_engine.complete(url), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        there = set(connection.exec_driver_sql("SELECT name FROM sys.databases").scalars())
        for name in sys.argv[1:]:
            if name not in there:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
    server.dispose()


if __name__ == "__main__":
    main()
