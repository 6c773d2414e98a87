"""Events that have another event's id: no order is lost because of them, and what happened can be looked
up."""

import asyncio
import json

from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.fulfillment.tables import attentions, dead_letters
from orderflow.messaging import Message, Record


async def taken_out(world: World, count: int) -> list[Record]:
    """Read the events of all orders in the workers' group, so that no worker gets them."""
    consumer = world.log.consumer("order-events", "fulfillment")
    records: list[Record] = []

    def all_are_there() -> bool:
        records.extend(consumer.poll(100, 0.1))
        return len(records) == count

    await world.until(all_are_there, "the events are published")
    consumer.commit(records)
    consumer.close()
    return records


def with_id_of(event: Record, other: Record) -> bytes:
    body = json.loads(event.value or b"")
    return json.dumps(body | {"eventId": json.loads(other.value or b"")["eventId"]}).encode()


def publish(world: World, *values: bytes) -> None:
    messages = [Message("order-events", json.loads(value)["orderId"], value, ()) for value in values]
    world.log.publisher().publish(messages)


def test_an_event_with_the_id_of_another_orders_is_shipped_and_kept_as_evidence(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(3)
            first, second, third = await taken_out(world, 3)
            assert first.value is not None
            of_second, of_third = with_id_of(second, first), with_id_of(third, first)
            async with world.working(carrier):
                publish(world, first.value, of_second)  # in one batch
                await world.until(lambda: len(world.rows()) == 2, "two are received")
                publish(world, of_third, of_third)
                await world.until_closed(order_ids)
                await world.until(lambda: len(world.rows(dead_letters)) == 3, "the evidence is kept")
                await world.until(lambda: world.rows(attentions) == [], "nobody is asked for")
            assert {letter["kind"] for letter in world.rows(dead_letters)} == {"conflicting-event"}
            values = [letter["value"] for letter in world.rows(dead_letters)]
            assert values.count(of_third) == 2
            assert await world.live_shipments() == sorted(order_ids)
            for order_id in order_ids:
                order = await world.order(order_id)
                assert (order["status"], order["attention"]) == ("Shipped", None)

    asyncio.run(scenario())
