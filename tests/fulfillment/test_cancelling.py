"""An order that is to be cancelled ships or is cancelled, never both, and both services agree which."""

import asyncio
from datetime import UTC, datetime

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of
from tests.fulfillment.test_crashes import Stuck, open_gates, receive

from orderflow.fulfillment import cancellation
from orderflow.fulfillment.cancellation import Cancel, LookAgain
from orderflow.fulfillment.carriers import CarrierUnavailable, Label, ShipmentRequest
from orderflow.fulfillment.model import Owner
from orderflow.fulfillment.tables import dead_letters
from orderflow.fulfillment.worker import FulfillmentWorker

NOW = datetime.now(UTC)
ANOTHER = Owner("another", 1)


def cancelling(world: World) -> None:
    """As if the orders had been asked to be cancelled while they were Processing."""
    with world.orders.writer.begin() as connection:
        connection.execute(sa.text("UPDATE orders SET status = 'Cancelling'"))


async def request(worker: FulfillmentWorker, *order_ids: str) -> None:
    await worker.writer.submit(
        cancellation.request, [Cancel(order_id, ANOTHER, NOW) for order_id in order_ids]
    )


async def ends(world: World, order_id: str, status: str, *, live: int) -> None:
    await world.until_closed([order_id])
    assert (await world.order(order_id))["status"] == status
    assert len(await world.live_shipments()) == live


def test_a_cancellation_before_the_carrier_was_called_calls_nobody(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            async with world.stepping(carrier) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                cancelling(world)
                await request(worker, order_id)
                await dispatcher_of(worker).run_once()
            async with world.working(carrier, name="another"):
                await ends(world, order_id, "Cancelled", live=0)
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_a_cancellation_at_the_gate_calls_nobody(world: World, http_carrier: OpenCarrier) -> None:
    """Processing was acknowledged once, but the worker died before it could write that down."""

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            cancelling(world)
            async with world.working(carrier):
                await ends(world, order_id, "Cancelled", live=0)
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_a_cancellation_during_the_call_voids_what_the_carrier_made(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            [order_id] = await world.place()
            stuck = Stuck(inner, makes=True)
            async with world.working(stuck) as worker:
                await world.until(lambda: stuck.calls == 1, "the carrier is being called")
                cancelling(world)
                await request(worker, order_id)
                stuck.go.set()
                await ends(world, order_id, "Cancelled", live=0)
            assert [made["state"] for made in await world.ledger()] == ["voided"]

    asyncio.run(scenario())


def test_a_cancellation_during_a_call_that_fails_does_not_wait_for_the_next_one(
    world: World, http_carrier: OpenCarrier
) -> None:
    class Away(Stuck):
        async def create_shipment(self, request: ShipmentRequest) -> Label:
            made = await super().create_shipment(request)
            if self.calls == 1:
                raise CarrierUnavailable("busy", doubtful=True, retry_after_s=3_600)
            return made

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            [order_id] = await world.place()
            away = Away(inner, makes=True)
            async with world.working(away) as worker:
                await world.until(lambda: away.calls == 1, "the carrier is being called")
                cancelling(world)
                await request(worker, order_id)
                away.go.set()
                await ends(world, order_id, "Cancelled", live=0)
            assert [made["state"] for made in await world.ledger()] == ["voided"]

    asyncio.run(scenario())


def test_a_cancellation_after_the_label_is_too_late(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            async with world.stepping(carrier) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                await dispatcher_of(worker).run_once()
                await world.until(lambda: world.states() == {order_id: "shipped"}, "the label is recorded")
                cancelling(world)
                await request(worker, order_id)
            async with world.working(carrier, name="another"):
                await ends(world, order_id, "Shipped", live=1)

    asyncio.run(scenario())


def test_a_worker_that_dies_in_the_call_leaves_a_cancellation_that_voids(
    world: World, http_carrier: OpenCarrier
) -> None:
    """The next worker repeats the same key, so the late call of the dead one meets the voided shipment."""

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            stuck = Stuck(carrier, makes=False)
            async with world.stepping(stuck) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                await dispatcher_of(worker).run_once()
                await world.until(lambda: stuck.calls == 1, "the carrier is being called")
                cancelling(world)
                await request(worker, order_id)
            async with world.working(carrier, name="another"):
                await ends(world, order_id, "Cancelled", live=0)
            stuck.go.set()
            await asyncio.sleep(0.1)
            assert await world.live_shipments() == []

    asyncio.run(scenario())


def test_an_order_that_waits_on_hold_is_looked_at_again_when_it_is_released(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            with world.orders.writer.begin() as connection:
                connection.execute(sa.text("UPDATE orders SET status = 'OnHold'"))
            async with world.working(carrier) as worker:
                await world.until(
                    lambda: world.rows() and world.rows()[0]["note"] == "the order is OnHold", "it waits"
                )
                with world.orders.writer.begin() as connection:
                    connection.execute(sa.text("UPDATE orders SET status = 'Created'"))
                await worker.writer.submit(cancellation.request, [LookAgain(order_id)])
                await ends(world, order_id, "Shipped", live=1)

    asyncio.run(scenario())


def test_a_cancellation_reaches_an_order_that_waits_for_its_turn_at_the_carrier(
    world: World, http_carrier: OpenCarrier
) -> None:
    """Nobody has called the carrier for it, so the carrier may as well be down."""

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            waiting, other = await world.place(2)
            async with world.stepping(carrier) as worker:
                await receive(world, worker, 2)
                await open_gates(world, worker)
                by = worker.lease.owner
                await worker.writer.submit(cancellation.request, [Cancel(waiting, by, NOW)])
                dispatcher_of(worker).turn_back({waiting})
                await world.until(lambda: world.states()[waiting] == "cancelled", "it has turned back")
                assert world.states()[other] == "received"
                await world.until(lambda: worker.sender.owed == 1, "its outcome is to be reported")
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_the_events_of_the_order_service_reach_the_shipment(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            [order_id] = await world.place()
            stuck = Stuck(inner, makes=True)
            async with world.working(stuck):
                await world.until(lambda: stuck.calls == 1, "the carrier is being called")
                cancelling(world)
                world.publish("OrderCancellationRequested", order_id)
                await world.until(lambda: world.rows()[0]["cancel_requested_at"] is not None, "it is noted")
                stuck.go.set()
                await ends(world, order_id, "Cancelled", live=0)

    asyncio.run(scenario())


def test_an_order_that_somebody_else_reports_as_cancelled_after_its_label_asks_for_a_person(
    world: World, http_carrier: OpenCarrier
) -> None:
    """While it is Processing, nobody can; and what ships is never silently Cancelled."""

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            path = f"/api/orders/{order_id}"

            async def report(status: str) -> int:
                url = f"{world.orders_url}{path}/status"
                async with world.session.patch(url, json={"status": status}) as response:
                    return response.status

            async def asks() -> bool:
                return (await world.order(order_id))["attention"] is not None

            async with world.stepping(carrier) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                await dispatcher_of(worker).run_once()
                await world.until(lambda: world.states() == {order_id: "shipped"}, "the label is recorded")
                assert await report("Cancelled") == 409
                assert await world.post(f"{path}/cancel") == 200
                assert await report("Cancelled") == 204
            async with world.working(carrier, name="another") as worker:
                await world.until(asks, "the order asks for a person")
                attention = (await world.order(order_id))["attention"]
                assert attention["kind"] == "status-conflict"
                assert attention["reason"] == "It was shipped, but the order is Cancelled with other details."
                [letter] = world.rows(dead_letters)
                await worker.discarder.discard(
                    letter["id"], actor="somebody", reason="recalled", correlation_id="c-1"
                )
                await ends(world, order_id, "Cancelled", live=0)

    asyncio.run(scenario())
