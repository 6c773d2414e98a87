"""Once the carrier's keys have expired, what a look-up finds decides, and a case in doubt is for a person."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.fulfillment.carriers import Carrier, CarrierUnavailable, Label, ShipmentRequest
from orderflow.fulfillment.tables import dead_letters, shipments

NO_TIME = timedelta(0)


class Looked:
    """A carrier that counts its calls. While `nonsense` is set, that is its answer to a look-up."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner
        self.nonsense: list[Any] = []
        self.looked_up = 0
        self.called = 0

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        self.called += 1
        return await self._inner.create_shipment(request)

    async def find_shipments(self, order_id: str) -> list[Label]:
        self.looked_up += 1
        if self.nonsense:
            return self.nonsense[0]
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


async def made_by_hand(world: World, order_id: str, key: str) -> str:
    """Make a shipment of the order that fulfillment does not know of. Returns its tracking number."""
    body = {"orderId": order_id, "items": [{"productId": "p-1", "quantity": 2}]}
    async with world.session.post(
        f"{world.carrier_url}/v1/shipments", json=body, headers={"Idempotency-Key": key}
    ) as response:
        assert response.status == 201
        return (await response.json())["trackingNumber"]


def test_two_live_shipments_are_for_a_person_and_nothing_is_called(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            (order_id,) = await world.place()
            for key in ("one", "other"):
                await made_by_hand(world, order_id, key)
            async with world.working(carrier, key_lifetime=NO_TIME):

                async def has_attention() -> bool:
                    return (await world.order(order_id))["attention"] is not None

                await world.until(has_attention, "the order asks for a person")
            order = await world.order(order_id)
            assert (order["status"], order["attention"]["kind"]) == ("Processing", "carrier-doubt")
            assert "2 live shipments" in order["attention"]["reason"]
            assert world.states() == {order_id: "parked"}
            (letter,) = world.rows(dead_letters)
            assert (letter["kind"], letter["order_id"]) == ("carrier-doubt", order_id)
            assert (carrier.looked_up, carrier.called) == (1, 0)
            assert await world.live_shipments() == [order_id] * 2

    asyncio.run(scenario())


def test_of_two_shipments_the_voided_one_does_not_count(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            (order_id,) = await world.place()
            await made_by_hand(world, order_id, "one")
            (voided,) = await inner.find_shipments(order_id)
            await inner.void_shipment(voided.shipment_id)
            tracking_number = await made_by_hand(world, order_id, "other")
            async with world.working(carrier, key_lifetime=NO_TIME):
                await world.until_closed([order_id])
            order = await world.order(order_id)
            assert (order["status"], order["fulfillment"]["trackingNumber"]) == ("Shipped", tracking_number)
            assert carrier.called == 0

    asyncio.run(scenario())


WRONG: Any = 17
NONSENSE: list[Any] = [
    None,
    17,
    "S-1",
    {"shipments": []},
    [None],
    [{"shipmentId": "S-1"}],
    [Label(WRONG, WRONG, WRONG, WRONG)],
    [Label("S-1", "C", "  ", datetime(2026, 1, 1))],  # noqa: DTZ001
]


def test_nonsense_from_a_look_up_neither_ships_nor_fails_an_order(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            (order_id,) = await world.place()
            async with world.working(carrier, key_lifetime=NO_TIME):
                for nonsense in NONSENSE:
                    carrier.nonsense = [nonsense]
                    before = carrier.looked_up
                    world.execute(sa.update(shipments).values(due_at_ms=0, waits=1))
                    await world.until(lambda n=before: carrier.looked_up > n, "it is looked up")
                    await world.until(lambda: world.rows()[0]["worker_id"] is None, "it waits")
                    assert world.states() == {order_id: "ready"}
                    assert (await world.order(order_id))["status"] == "Processing"
                carrier.nonsense = []
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed([order_id])
            assert await world.live_shipments() == [order_id]
            assert carrier.called == 1
            assert world.rows(dead_letters) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["garbage", "huge", "no-tracking-number", "cut", "503"])
def test_a_carrier_that_cannot_be_looked_up_is_not_called_before_it_can(
    world: World, http_carrier: OpenCarrier, kind: str
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            fault = {"kind": kind, "call": "find", "seconds": 600}
            async with world.session.put(f"{world.carrier_url}/v1/faults", json=fault) as response:
                assert response.status == 200
            with pytest.raises(CarrierUnavailable):
                await inner.find_shipments("order-1")
            (order_id,) = await world.place()
            async with world.working(carrier, key_lifetime=NO_TIME):
                await world.until(lambda: [r["waits"] for r in world.rows()] == [1], "it waits")
                assert carrier.called == 0
                assert await world.ledger() == []
                await world.session.put(f"{world.carrier_url}/v1/faults", json=[])
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed([order_id])
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())
