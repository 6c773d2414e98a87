"""The databases of each release, as they were when it was made, migrate for ever; today's program finishes
every order in them.

A dump is restored as if its release had been stopped twenty minutes ago: each instant in it is moved by as
much.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.upgrades.earlier_release import Case
from tests.upgrades.finishing import Cases, finish

from orderflow.database.engine import Database, connect
from orderflow.database.migrate import Schema, check, migrate, scripts
from orderflow.database.phases import due
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.model import State, Step
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.model import Status

RELEASED = Path(__file__).parent / "released"
RELEASES = sorted(
    (each.name for each in RELEASED.iterdir()), key=lambda name: tuple(map(int, name.split(".")))
)
STOPPED_AGO = timedelta(minutes=20)
_INSTANT = re.compile(r"\b(20\d\d-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?=[+Z' ]|$)")


def moved(dump: str) -> str:
    """The dump, whose latest instant is STOPPED_AGO now."""

    def read(found: re.Match[str]) -> datetime:
        return datetime.fromisoformat(f"{found[1]}T{found[3]}").replace(tzinfo=UTC)

    latest = max(map(read, _INSTANT.finditer(dump)))
    by = datetime.now(UTC) - STOPPED_AGO - latest

    def write(found: re.Match[str]) -> str:
        return (read(found) + by).replace(tzinfo=None).isoformat(found[2], "microseconds")

    return _INSTANT.sub(write, dump)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Path:
    return RELEASED / request.param


@pytest.fixture
def cases(release: Path) -> Cases:
    kept: dict[str, dict[str, Any]] = json.loads((release / "cases.json").read_text())
    for case in kept.values():
        case["shipment"] = None if case["shipment"] is None else {"state": case["shipment"]}
        case["value"] = None if case["value"] is None else case["value"].encode()
    return {name: Case(**case) for name, case in kept.items()}


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, release: Path, tmp_path: Path) -> Iterator[World]:
    """Both databases as the release has left them."""
    databases: list[Database] = []
    for schema in (FULFILLMENT, ORDERS):
        dump = moved((release / f"{schema.name}.{request.param}.sql").read_text())
        url = f"sqlite:///{tmp_path}/{schema.name}.db"
        if request.param == "postgresql":
            url = str(request.getfixturevalue("postgres_database"))
            with psycopg.connect(url) as server:
                server.execute(dump.encode())
        else:
            file = sqlite3.connect(tmp_path / f"{schema.name}.db")
            file.executescript(dump)
            file.close()
        databases.append(connect(url, application="test"))
    log = EmbeddedLog(tmp_path / "events.db")
    yield World(tmp_path, databases[0], databases[1], log)
    log.close()
    for database in databases:
        database.dispose()


def test_todays_program_finishes_what_the_release_has_left(world: World, cases: Cases) -> None:
    """Every order ends as it must; nothing is shipped or charged twice, and no stock stays reserved."""
    for database, schema in ((world.fulfillment, FULFILLMENT), (world.orders, ORDERS)):
        migrate(database, schema)
        check(database, schema)
    asyncio.run(finish(world, cases))


def found_in(database: Database, table: str, column: str) -> set[str]:
    with database.reader.connect() as connection:
        return set(connection.execute(sa.text(f"SELECT DISTINCT {column} FROM {table}")).scalars())  # noqa: S608


def test_the_dump_has_orders_in_every_status_and_shipments_in_every_state_and_at_every_step(
    world: World,
) -> None:
    assert found_in(world.orders, "orders", "status") == set(Status)
    assert found_in(world.fulfillment, "shipments", "state") == set(State)
    assert found_in(world.fulfillment, "shipments", "step") == set(Step)
    assert found_in(world.fulfillment, "shipments", "direction") == {"do", "undo"}
    letters = {"open", "redriven", "resolved", "discarding", "discarded"}
    assert found_in(world.fulfillment, "dead_letters", "state") == letters
    assert found_in(world.fulfillment, "redrives", "state") == {"running", "done", "stopped"}


def test_the_dump_has_rows_in_every_table(world: World) -> None:
    for database in (world.orders, world.fulfillment):
        with database.reader.connect() as connection:
            names = sa.inspect(connection).get_table_names()
            counts = {name: connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) for name in names}  # noqa: S608
        empty = {name for name, count in counts.items() if not count}
        assert empty <= {"last_contraction_orders"}  # the orders have had no contraction yet


@pytest.mark.parametrize("schema", [ORDERS, FULFILLMENT], ids=lambda schema: schema.name)
def test_the_last_release_is_upgraded_without_a_stop(schema: Schema) -> None:
    """Its expansions come before its contractions, so `orderflow migrate` goes through."""
    dump = (RELEASED / RELEASES[-1] / f"{schema.name}.sqlite.sql").read_text()
    found = re.search(rf'INSERT INTO "{schema.version_table}" VALUES\(\'(\w+)\'\)', dump)
    assert found is not None
    due(scripts(schema), found[1], contract=False)
