"""Databases that earlier releases filled are migrated, and today's program finishes what is in them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.upgrades.earlier_release import CASES, contents, fill, make_schema
from tests.upgrades.finishing import finish

from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata as fulfillment_metadata
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import metadata as orders_metadata

FIRST, LAST_BEFORE_STEPS = "0001", "0003"


@pytest.fixture(params=[FIRST, LAST_BEFORE_STEPS])
def revision(request: pytest.FixtureRequest) -> str:
    """The fulfillment schema that the earlier release had. The orders schema is the first one."""
    return request.param


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, revision: str, tmp_path: Path) -> Iterator[World]:
    """Both databases as the earlier release has left them."""
    urls = [f"sqlite:///{tmp_path}/fulfillment.db", f"sqlite:///{tmp_path}/orders.db"]
    if request.param == "postgres":
        urls = [str(request.getfixturevalue("postgres_database"))] * 2
    fulfillment, orders = (connect(url, application="test") for url in urls)
    make_schema(fulfillment, FULFILLMENT, revision)
    make_schema(orders, ORDERS, FIRST)
    fill(fulfillment, fulfillment_metadata)
    fill(orders, orders_metadata)
    log = EmbeddedLog(tmp_path / "events.db")
    yield World(tmp_path, fulfillment, orders, log)
    log.close()
    fulfillment.dispose()
    orders.dispose()


def upgrade(world: World) -> None:
    migrate(world.fulfillment, FULFILLMENT)
    migrate(world.orders, ORDERS)


def test_a_migration_keeps_every_row_and_every_value(world: World) -> None:
    def everything() -> dict[str, list[dict[str, Any]]]:
        return contents(world.fulfillment, fulfillment_metadata) | contents(world.orders, orders_metadata)

    before = everything()
    assert all(before.values()), "every table has rows"
    upgrade(world)
    after = everything()
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert sorted(map(str, kept)) == sorted(map(str, rows))


def test_todays_program_finishes_what_an_earlier_release_has_left(world: World) -> None:
    """Every order ends as it must, nothing is shipped twice, and old dead letters can be redriven."""
    upgrade(world)
    asyncio.run(finish(world, CASES))
    with world.orders.reader.connect() as connection:
        counted = connection.execute(
            sa.text("SELECT status, sum(orders) FROM status_counts GROUP BY status HAVING sum(orders) <> 0")
        ).all()
        there = connection.execute(sa.text("SELECT status, count(*) FROM orders GROUP BY status")).all()
        assert dict(counted) == dict(there)
