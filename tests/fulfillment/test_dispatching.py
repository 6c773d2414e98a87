"""Carrier calls under trouble: circuits, fairness, expired keys and carriers that answer nonsense."""

import asyncio
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of

from orderflow.fulfillment.breaker import FAILURES_MAX, OPEN_S, Circuit
from orderflow.fulfillment.carriers import Carrier, CarrierUnavailable, Label, ShipmentRequest
from orderflow.fulfillment.tables import dead_letters, shipments
from orderflow.fulfillment.worker import FulfillmentWorker

NO_TIME = timedelta(0)


class Troubled:
    """A carrier that counts its calls. `down` fails all of them; calls for orders in `hanging` wait until
    `go`; `nonsense` is the answer that chosen orders get."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner
        self.down = False
        self.makes_first = False
        self.hanging: set[str] = set()
        self.nonsense: dict[str, Any] = {}
        self.go = asyncio.Event()
        self.called: list[str] = []
        self.looked_up: list[str] = []
        self.hanging_now = 0

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        self.called.append(request.order_id)
        if self.down:
            raise CarrierUnavailable("no answer", doubtful=True)
        if request.order_id in self.nonsense:
            return self.nonsense[request.order_id]
        if request.order_id in self.hanging:
            if self.makes_first:
                await self._inner.create_shipment(request)
            self.hanging_now += 1
            await self.go.wait()
            self.hanging_now -= 1
        return await self._inner.create_shipment(request)

    async def find_shipments(self, order_id: str) -> list[Label]:
        self.looked_up.append(order_id)
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


async def killed_in_mid_call(world: World, carrier: Troubled, order_id: str) -> None:
    carrier.hanging = {order_id}
    async with world.stepping(carrier) as worker:

        async def received() -> bool:
            await asyncio.to_thread(worker.inbox.run_once)
            return len(world.rows()) == 1

        await world.until(received, "the shipment is received")
        await world.until(worker.sender.run_once, "Processing is acknowledged")
        await dispatcher_of(worker).run_once()
        await world.until(lambda: carrier.hanging_now == 1, "the carrier is called")
    carrier.hanging.clear()
    carrier.called.clear()


def circuit(worker: FulfillmentWorker, part: str) -> Circuit:
    return worker.status().circuits[part]


def test_while_the_carriers_circuit_is_open_work_waits_and_burns_no_attempts(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            carrier.down = True
            seconds = 0.0
            async with world.working(carrier, in_flight_max=5, monotonic=lambda: seconds) as worker:
                order_ids = await world.place(20)
                await world.until(lambda: circuit(worker, "carrier") is Circuit.OPEN, "the circuit opens")
                order_ids += await world.place(20)
                await world.until(lambda: len(world.rows()) == 40, "all are received")
                await world.until(lambda: dispatcher_of(worker).in_flight == 0, "nobody calls")
                assert len(carrier.called) == FAILURES_MAX
                assert sum(row["attempts"] for row in world.rows()) == FAILURES_MAX
                assert {row["waits"] for row in world.rows()} == {0}
                assert [d.part for d in worker.status().degraded] == ["carrier"]

                seconds += OPEN_S
                await world.until(lambda: len(carrier.called) == FAILURES_MAX + 1, "one probe is sent")
                await world.until(
                    lambda: [r["note"] for r in world.rows()].count("no answer") == 1, "it goes to the back"
                )
                assert len(carrier.called) == FAILURES_MAX + 1
                assert {row["waits"] for row in world.rows()} == {0}, "it has used up nothing"

                carrier.down = False
                seconds += OPEN_S
                await world.until_closed(order_ids)
                assert worker.status().degraded == []
            assert await world.live_shipments() == sorted(order_ids)

    asyncio.run(scenario())


def test_an_outage_of_the_order_service_loses_no_outcome_and_drains_after(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            order_ids = await world.place(20)
            carrier.hanging = set(order_ids)
            async with world.working(carrier) as worker:
                await world.until(lambda: carrier.hanging_now == 20, "all are at the carrier")
                world.network.down = True
                carrier.go.set()
                await world.until(lambda: set(world.states().values()) == {"shipped"}, "all have a label")
                await world.until(lambda: circuit(worker, "orders") is Circuit.OPEN, "the circuit opens")
                assert {row["waits"] for row in world.rows()} == {0}
                world.network.down = False
                await world.until_closed(order_ids)
                assert circuit(worker, "orders") is Circuit.CLOSED
            assert world.rows(dead_letters) == []
            assert (await world.order(order_ids[0]))["status"] == "Shipped"

    asyncio.run(scenario())


async def fail_before(world: World, carrier: Troubled, order_ids: list[str]) -> None:
    """Let these shipments fail once; they are then due again."""
    carrier.down = True
    async with world.working(carrier, name="before"):
        await world.until(lambda: len(world.rows()) == len(order_ids), "all are received")
        await world.until(lambda: world.order_statuses() == {"Processing"}, "all gates are open")
    world.execute(sa.update(shipments).values(state="ready", attempts=4, waits=1, due_at_ms=0))
    carrier.down = False
    carrier.called.clear()


def test_fresh_orders_ship_while_retried_ones_hold_all_the_calls_they_may(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            retried = await world.place(20)
            await fail_before(world, carrier, retried)
            carrier.hanging = set(retried)
            async with world.working(carrier, in_flight_max=4):
                await world.until(lambda: carrier.hanging_now == 2, "half of the calls are taken")
                fresh = await world.place(20)
                await world.until_closed(fresh)
                assert carrier.hanging_now == 2
                carrier.go.set()
                await world.until_closed(retried)
            assert await world.live_shipments() == sorted(retried + fresh)

    asyncio.run(scenario())


def test_failing_retries_keep_the_circuit_from_no_fresh_order(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            failing = await world.place(60)
            await fail_before(world, carrier, failing)
            carrier.nonsense = dict.fromkeys(failing)
            async with world.working(carrier, in_flight_max=4) as worker:
                await world.until(lambda: circuit(worker, "carrier") is Circuit.OPEN, "the circuit opens")
                fresh = await world.place(20)
                await world.until_closed(fresh)
                assert set(failing) - set(carrier.called), "fresh orders do not wait for all of the others"

    asyncio.run(scenario())


def test_an_order_older_than_the_carriers_keys_is_looked_up_before_its_first_call(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            (order_id,) = await world.place()
            async with world.working(carrier, key_lifetime=NO_TIME):
                await world.until_closed([order_id])
            assert (carrier.looked_up, carrier.called) == ([order_id], [order_id])
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


def test_beyond_the_keys_lifetime_the_one_shipment_that_is_found_is_recorded(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            carrier.makes_first = True
            (order_id,) = await world.place()
            await killed_in_mid_call(world, carrier, order_id)
            async with world.working(carrier, key_lifetime=NO_TIME):
                await world.until_closed([order_id])
            assert carrier.called == []
            assert await world.live_shipments() == [order_id]
            assert (await world.order(order_id))["status"] == "Shipped"

    asyncio.run(scenario())


def test_beyond_the_keys_lifetime_a_call_that_left_no_trace_is_for_a_person(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            (order_id,) = await world.place()
            await killed_in_mid_call(world, carrier, order_id)
            async with world.working(carrier, key_lifetime=NO_TIME):

                async def has_attention() -> bool:
                    return (await world.order(order_id))["attention"] is not None

                await world.until(has_attention, "the order asks for a person")
            assert (await world.order(order_id))["attention"]["kind"] == "carrier-doubt"
            assert carrier.called == []
            assert world.states() == {order_id: "parked"}
            assert [row["kind"] for row in world.rows(dead_letters)] == ["carrier-doubt"]

    asyncio.run(scenario())


def test_a_carrier_that_answers_nonsense_is_in_doubt_and_harms_no_other_order(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Troubled(inner)
            none, number, empty, *good = await world.place(10)
            wrong: Any = 17
            carrier.nonsense = {
                none: None,
                number: Label(wrong, wrong, wrong, wrong),
                empty: {"shipmentId": ""},
            }
            async with world.working(carrier):
                await world.until_closed(good)
                await world.until(
                    lambda: [row["note"] for row in world.rows()].count(None) == len(good), "the others wait"
                )
                carrier.nonsense.clear()
                world.execute(sa.update(shipments).where(shipments.c.waits > 0).values(due_at_ms=0))
                await world.until_closed([none, number, empty])
            assert await world.live_shipments() == sorted([none, number, empty, *good])

    asyncio.run(scenario())
