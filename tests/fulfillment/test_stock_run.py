"""A run on one product: as many orders ship as there are pieces, and the rest fail, in few transactions."""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.fulfillment.test_crashes import GROUP_OF_ANOTHER
from tests.fulfillment.test_paying import count, counted
from tests.fulfillment.test_redriving import idle_carrier

from orderflow.fulfillment.tables import dead_letters, reservations, shipments

ORDERS = 1_000
TRANSACTIONS_MAX = ORDERS // 2
"""Of both workers. Had each order transactions of its own, they would wait for one row thousands of times."""


def closed(world: World) -> int:
    wanted = sa.select(sa.func.count()).where(shipments.c.state == "closed")
    with world.fulfillment.reader.connect() as connection:
        return connection.execute(wanted).scalar_one()


@pytest.mark.parametrize("pieces", [ORDERS // 10, ORDERS])
def test_a_thousand_orders_for_one_product_ship_exactly_what_there_is(world: World, pieces: int) -> None:
    async def scenario() -> None:
        count(world, p_1=pieces)
        async with world.running():
            consumer = world.log.consumer("order-events", GROUP_OF_ANOTHER)
            await world.place(ORDERS, items=[{"productId": "p-1", "quantity": 1}])
            async with (
                world.working(idle_carrier(), in_flight_max=ORDERS) as one,
                world.working(
                    idle_carrier(), in_flight_max=ORDERS, name="another", consumer=consumer
                ) as another,
            ):
                await world.until(lambda: closed(world) == ORDERS, "all are closed")
            workers = (one, another)
        with world.orders.reader.connect() as connection:
            statuses = Counter(connection.execute(sa.text("SELECT status FROM orders")).scalars())
        assert statuses == Counter(Shipped=pieces, Failed=ORDERS - pieces)
        assert counted(world) == {"p-1": (0, 0)}
        assert world.rows(reservations) == []
        assert world.rows(dead_letters) == []
        assert {row["waits"] for row in world.rows()} == {0}
        assert sum(worker.writer.committed_transactions for worker in workers) < TRANSACTIONS_MAX

    asyncio.run(scenario())
