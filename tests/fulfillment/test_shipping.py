"""From event to acknowledged outcome, with the real Order Service and a carrier that keeps a ledger."""

import asyncio
from collections.abc import Callable
from typing import Any

World = Any
OpenCarrier = Callable[[str], Any]


def test_every_order_is_shipped_once_and_the_order_service_knows(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier, world.working(carrier):
            order_ids = await world.place(50)
            await world.until_closed(order_ids)
            assert await world.live_shipments() == sorted(order_ids)
            order = await world.order(order_ids[0])
            assert order["status"] == "Shipped"
            assert order["fulfillment"]["trackingNumber"]

    asyncio.run(scenario())
