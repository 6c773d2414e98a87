"""Writes the dump of a release into `released`: `python -m tests.upgrades.make_dump 0.1.0`, with PostgreSQL
running (`. .services/env`).

It is run once, when the release is made; what it has written is kept for ever. A release that has new tables
or new states first gets rows for them in a module like `release_0_1.py`.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.conftest import empty_database
from tests.upgrades.earlier_release import rows
from tests.upgrades.release_0_1 import ALL, more_of, more_rows

from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata as fulfillment
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import metadata as orders

RELEASED = Path(__file__).parent / "released"
SCHEMAS = {ORDERS: orders, FULFILLMENT: fulfillment}


def all_rows() -> list[tuple[sa.Table, dict[str, Any]]]:
    return [*((table, more_of(table.name, row)) for table, row in rows(ALL)), *more_rows()]


def main(version: str) -> None:
    directory = RELEASED / version
    directory.mkdir(parents=True)
    kept = all_rows()
    with tempfile.TemporaryDirectory() as name:
        for schema, metadata in SCHEMAS.items():
            with empty_database(os.environ["ORDERFLOW_TEST_POSTGRES_URL"]) as server:
                file = Path(name) / f"{schema.name}.db"
                for url in (f"sqlite:///{file}", server):
                    database = connect(url, application="make-dump")
                    migrate(database, schema)
                    with database.writer.begin() as connection:
                        for table, row in kept:
                            if table.metadata is metadata:
                                connection.execute(sa.insert(table).values(row))
                    database.dispose()
                (directory / f"{schema.name}.sqlite.sql").write_text(of_sqlite(file))
                (directory / f"{schema.name}.postgresql.sql").write_text(of_postgresql(server))
    cases = {
        name: asdict(case)
        | {"value": case.value and case.value.decode(), "shipment": case.shipment and case.shipment["state"]}
        for name, case in ALL.items()
    }
    (directory / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


def of_sqlite(file: Path) -> str:
    connection = sqlite3.connect(file)
    try:
        return "\n".join(connection.iterdump()) + "\n"
    finally:
        connection.close()


def of_postgresql(url: str) -> str:
    command = ["pg_dump", "--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # What begins with a backslash is for psql, and keeps its users apart from the dump.
    lines = (line for line in dumped.splitlines() if not line.startswith(("--", "\\")))
    return "\n".join(line for line in lines if line) + "\n"


if __name__ == "__main__":
    main(sys.argv[1])
