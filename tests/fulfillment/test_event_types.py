"""What the inbox does with an event depends on its type: it ships the order, skips the event, or keeps it as
evidence."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.contracts.order_events import OrderCreated, decode
from orderflow.fulfillment.event_handlers import carrier_request
from orderflow.fulfillment.skipped_events import OTHER, TYPES_MAX, SkippedEvents
from orderflow.fulfillment.tables import dead_letters
from orderflow.messaging import Message

GOLDEN = Path(__file__).parents[1] / "contracts" / "golden"


def publish(world: World, order_id: str, event: dict[str, Any]) -> None:
    world.log.publisher().publish([Message("order-events", order_id, json.dumps(event).encode(), ())])


def test_an_event_of_an_unknown_type_is_counted_and_skipped_without_alarm(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (first,) = await world.place()
            for version in (1, 2, 99):
                publish(
                    world, first, {"eventType": "OrderPraised", "schemaVersion": version, "orderId": first}
                )
            (second,) = await world.place()
            async with world.working(carrier) as worker:
                await world.until_closed([first, second])
                await world.until(lambda: worker.status().skipped_events, "the events are counted")
                assert worker.status().skipped_events == {"OrderPraised": 3}
            assert world.rows(dead_letters) == []
            for order_id in (first, second):
                order = await world.order(order_id)
                assert (order["status"], order["attention"]) == ("Shipped", None)

    asyncio.run(scenario())


def test_a_higher_version_of_a_known_type_is_a_dead_letter(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            publish(world, order_id, {"eventType": "OrderCreated", "schemaVersion": 3, "orderId": order_id})
            async with world.working(carrier) as worker:
                await world.until(lambda: world.rows(dead_letters), "the event is a dead letter")
                assert worker.status().skipped_events == {}
            assert [row["kind"] for row in world.rows(dead_letters)] == ["newer-schema"]

    asyncio.run(scenario())


def test_types_from_outside_cannot_fill_the_memory_or_the_health_document() -> None:
    skipped = SkippedEvents()
    for number in range(1_000):
        skipped.add(f"Type{number}")
    skipped.add("Type0")
    skipped.add("x" * 65)
    skipped.add("a name\nof two lines")
    counts = skipped.counts()
    assert len(counts) <= TYPES_MAX + 1
    assert counts["Type0"] == 2
    assert counts[OTHER] == 1_000 - TYPES_MAX + 2


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        (
            "order-created-v1",
            '{"orderId":"3f2504e0-4f89-41d3-9a0c-0305e82c3301",'
            '"items":[{"productId":"PROD-001","quantity":2},{"productId":"PROD-002","quantity":1}]}',
        ),
        (
            "order-created-v2",
            '{"orderId":"019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60","items":[{"productId":"PROD-001","quantity":2}],'
            '"shipTo":{"name":"Ada Lovelace","lines":["12 St James\'s Square"],"city":"London",'
            '"region":"London","postalCode":"SW1Y 4JH","country":"GB"}}',
        ),
    ],
)
def test_a_carrier_gets_the_same_bytes_from_every_release(name: str, request_: str) -> None:
    event = decode((GOLDEN / f"{name}.json").read_bytes())
    assert isinstance(event, OrderCreated)
    assert carrier_request(event) == request_.encode()
