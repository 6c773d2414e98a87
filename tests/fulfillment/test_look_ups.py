"""Once the carrier's keys have expired, what a look-up finds decides, and a case in doubt is for a person."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of
from tests.fulfillment.test_cancelling import cancelling, ends, request
from tests.fulfillment.test_crashes import open_gates, receive
from tests.fulfillment.test_paying import PRICED, Provider, count, counted, payments

from orderflow.fulfillment.carriers import Carrier, CarrierUnavailable, Label, ShipmentRequest
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.payments import PaymentDeclined, PaymentRefused
from orderflow.fulfillment.tables import dead_letters, shipments

NO_TIME = timedelta(0)
NOW = datetime.now(UTC)


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


@pytest.mark.parametrize("on_hand", [5, 1])
def test_the_stock_of_a_shipment_that_a_look_up_found_is_taken_even_if_there_is_too_little(
    world: World, http_carrier: OpenCarrier, on_hand: int
) -> None:
    async def scenario() -> None:
        count(world, p_1=on_hand)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            await made_by_hand(world, order_id, "one")
            async with world.working(carrier, key_lifetime=NO_TIME):
                await world.until_closed([order_id])
            assert (await world.order(order_id))["status"] == "Shipped"
            assert counted(world) == {"p-1": (on_hand - 2, 0)}

    asyncio.run(scenario())


def test_a_shipment_that_a_look_up_found_belongs_to_its_carrier_until_it_is_voided_there(
    world: World, http_carrier: OpenCarrier
) -> None:
    """Its order was reported as failed by somebody else, so a person discards it."""

    async def scenario() -> None:
        count(world, p_1=5)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            await made_by_hand(world, order_id, "one")
            async with world.stepping(carrier, key_lifetime=NO_TIME) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                await dispatcher_of(worker).run_once()
                await world.until(lambda: world.states() == {order_id: "shipped"}, "it is found")
            assert [row["party"] for row in world.rows()] == ["carrier"]
            assert counted(world) == {"p-1": (5, 2)}
            update = {"status": "Failed"}
            url = f"{world.orders_url}/api/orders/{order_id}/status"
            async with world.session.patch(url, json=update) as response:
                assert response.status == 204
            async with world.working(carrier, name="another") as worker:
                await world.until(lambda: world.states() == {order_id: "parked"}, "it is for a person")
                [letter] = world.rows(dead_letters)
                answer = await worker.discarder.discard(
                    letter["id"], actor="somebody", reason="lost", correlation_id="c-1"
                )
                assert answer == (Discarded.DONE, "")
                await world.until_closed([order_id])
            assert await world.live_shipments() == []
            assert counted(world) == {"p-1": (5, 0)}

    asyncio.run(scenario())


def test_the_capture_of_an_order_whose_shipment_was_found_can_be_redriven(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        provider = Provider()
        provider.failing["capture"] = PaymentRefused("no", status=422)
        count(world, p_1=5)
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            (order_id,) = await world.place(1, **PRICED)
            await made_by_hand(world, order_id, "one")
            async with world.working(carrier, key_lifetime=NO_TIME, payments=payments(provider)) as worker:
                await world.until(lambda: world.states() == {order_id: "parked"}, "it is for a person")
                [letter] = world.rows(dead_letters)
                assert (letter["kind"], letter["step"]) == ("payment", "capture")
                assert counted(world) == {"p-1": (3, 0)}
                provider.failing.clear()
                command = Redrive(letter["id"], "somebody", NOW)
                answer = await worker.writer.submit_one(redrive.redrive, command)
                assert answer == (Redriven.BACK, "")
                await world.until_closed([order_id])
            assert carrier.called == 0
            assert await world.live_shipments() == [order_id]
            assert await provider.charged(order_id) == [(599, 0, False)]
            assert counted(world) == {"p-1": (3, 0)}

    asyncio.run(scenario())


def test_a_payment_that_cannot_be_looked_up_is_not_declined_by_that(
    world: World, http_carrier: OpenCarrier
) -> None:
    class Declining(Provider):
        async def find_payments(self, order_id: str) -> Any:
            if "find" in self.failing:
                raise self.failing["find"]
            return await super().find_payments(order_id)

    async def scenario() -> None:
        provider = Declining()
        provider.failing["find"] = PaymentDeclined("no such reference")
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place(1, **PRICED)
            async with world.working(carrier, key_lifetime=NO_TIME, payments=payments(provider)):
                await world.until(lambda: [row["waits"] for row in world.rows()] == [1], "it waits")
                provider.failing.clear()
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed([order_id])
            assert (await world.order(order_id))["status"] == "Shipped"
            assert await provider.charged(order_id) == [(599, 0, False)]

    asyncio.run(scenario())


def test_a_cancelled_order_whose_key_has_expired_is_undone_not_doubted(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Looked(inner)
            (order_id,) = await world.place()
            called = {"state": "calling", "attempts": 1, "intent_at": NOW, "party": "carrier"}
            async with world.stepping(carrier) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                world.execute(sa.update(shipments).values(**called))
                cancelling(world)
                await request(worker, order_id)
            async with world.working(carrier, name="another", key_lifetime=NO_TIME):
                await ends(world, order_id, "Cancelled", live=0)
            assert carrier.called == 0
            assert world.rows(dead_letters) == []

    asyncio.run(scenario())
