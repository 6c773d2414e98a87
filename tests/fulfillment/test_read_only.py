"""A fulfillment database that accepts no writes for a while, as after a failover, does no harm."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import event
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.database import mssql_engine
from orderflow.database.engine import Database
from orderflow.fulfillment.tables import dead_letters
from orderflow.fulfillment.worker import FulfillmentWorker


@contextmanager
def read_only(database: Database) -> Generator[None]:
    """While the block runs, the database can be read but not written. On a server, sessions that begin
    meanwhile stay read-only afterwards."""
    if database.embedded:

        def on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("PRAGMA query_only=ON")

        event.listen(database.writer, "begin", on_begin)
        yield
        event.remove(database.writer, "begin", on_begin)
        return
    name = str(database.url.database)
    if database.url.get_backend_name() == "mssql":
        url = mssql_engine.complete(database.url.set(database="master"))
        master = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with master.connect() as server:
            server.exec_driver_sql(f"ALTER DATABASE {name} SET READ_ONLY WITH ROLLBACK IMMEDIATE")
            yield
            server.exec_driver_sql(f"ALTER DATABASE {name} SET READ_WRITE WITH ROLLBACK IMMEDIATE")
        master.dispose()
        return
    alter = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    url = database.url.set(drivername="postgresql", database="postgres")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(alter.format(sql.Identifier(name), sql.SQL("on")))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        server.execute(alter.format(sql.Identifier(name), sql.SQL("off")))


def trouble(worker: FulfillmentWorker) -> set[str]:
    """What the worker says does not work. The writer itself says so if a COMMIT was under way."""
    return {"database", "writer-fulfillment"} & {part.part for part in worker.status().degraded}


@pytest.mark.parametrize("seconds", [0.6, 3.0])
def test_orders_that_come_while_the_database_is_read_only_ship_right_after_it(
    world: World, http_carrier: OpenCarrier, seconds: float
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier) as worker,
        ):
            before = await world.place(40)
            with read_only(world.fulfillment):
                during = await world.place(40)
                await asyncio.sleep(seconds)
                # A busy machine may take longer than that to find out.
                await world.until(lambda: trouble(worker), "it is said")
            await world.until_closed(before + during)
            assert world.rows(dead_letters) == []
            assert {row["interruptions"] for row in world.rows()} == {0}
            await world.until(lambda: worker.status().degraded == [], "nothing is degraded")
            assert await world.live_shipments() == sorted(before + during)

    asyncio.run(scenario())
