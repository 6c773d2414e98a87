"""Databases of a test's or a run's own, on the SQL Server that ORDERFLOW_TEST_MSSQL_URL names."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa

from orderflow.database import mssql_engine
from orderflow.database.urls import parse_url

VARIABLE = "ORDERFLOW_TEST_MSSQL_URL"
REMEDY = f"name the database `master` of one in {VARIABLE} (docs/databases.md)"


@contextmanager
def session(url: str) -> Generator[sa.Connection]:
    """A session in the database, each of whose statements is a transaction of its own."""
    engine = sa.create_engine(mssql_engine.complete(parse_url(url)), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def make_database(master_url: str, name: str) -> None:
    """Make it, with the options that ORDERFLOW_TEST_MSSQL_OPTIONS names, by comma."""
    with session(master_url) as server:
        server.exec_driver_sql(f"CREATE DATABASE {name}")
        for option in os.environ.get("ORDERFLOW_TEST_MSSQL_OPTIONS", "").split(","):
            if option:
                server.exec_driver_sql(f"ALTER DATABASE {name} SET {option}")


def drop_database(master_url: str, name: str) -> None:
    """Drop it, with whoever is still connected."""
    with session(master_url) as server:
        server.exec_driver_sql(f"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        server.exec_driver_sql(f"DROP DATABASE {name}")
