"""From event to acknowledged outcome, with the real Order Service and a carrier that keeps a ledger."""

import asyncio
import json
import uuid
from typing import Any

import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRefused,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.tables import attentions, dead_letters, shipments
from orderflow.messaging import Message, Record

ORDER_ID = "019ad3f2-0000-7000-8000-000000000001"


class Watched:
    """A carrier that counts its calls and how many are in flight, and fails for chosen orders."""

    def __init__(self, inner: Carrier, failing: dict[str, Exception] | None = None) -> None:
        self._inner = inner
        self.failing = failing or {}
        self.calls = 0
        self.in_flight = 0
        self.in_flight_most = 0

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        self.calls += 1
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight_most, self.in_flight)
        try:
            if request.order_id in self.failing:
                raise self.failing[request.order_id]
            return await self._inner.create_shipment(request)
        finally:
            self.in_flight -= 1

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


def event_1(order_id: str) -> bytes:
    """An event of version 1, as the proof of concept wrote them."""
    return json.dumps(
        {
            "eventType": "OrderCreated",
            "orderId": order_id,
            "customer": {"customerId": "c-1", "name": "Ada"},
            "items": [{"productId": "p-1", "quantity": 2}],
            "createdAt": "2026-02-10T09:30:00Z",
            "metadata": {"source": "OrderService", "correlationId": "abc"},
        }
    ).encode()


def publish(world: World, *messages: tuple[str, bytes]) -> None:
    headers = (
        ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
        ("correlation-id", b"asked by \xff\n2"),
    )
    world.log.publisher().publish([Message("order-events", key, value, headers) for key, value in messages])


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


def test_a_rejected_order_fails_with_the_carriers_words(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with (
            world.running(failure_rate=1.0),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier),
        ):
            order_ids = await world.place(3)
            await world.until_closed(order_ids)
            order = await world.order(order_ids[0])
            assert order["status"] == "Failed"
            assert order["fulfillment"]["errorMessage"] == "Simulated carrier rejection"
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_transient_failures_are_retried_until_each_order_has_one_shipment(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(error_rate=0.3),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier),
        ):
            order_ids = await world.place(20)
            await world.until_closed(order_ids)
            assert await world.live_shipments() == sorted(order_ids)
            assert max(row["attempts"] for row in world.rows()) > 1

    asyncio.run(scenario())


def test_no_carrier_is_called_before_processing_was_acknowledged(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Watched(inner)
            world.network.down = True
            async with world.working(carrier) as worker:
                order_ids = await world.place(5)
                await world.until(lambda: worker.health.is_degraded("orders"), "the outage is seen")
                await world.until(lambda: len(world.rows()) == 5, "the shipments are received")
                assert carrier.calls == 0
                assert set(world.states().values()) == {"received"}
                assert [d.part for d in worker.status().degraded] == ["orders"]
                world.network.down = False
                await world.until_closed(order_ids)
                assert worker.status().degraded == []

    asyncio.run(scenario())


def test_an_order_service_without_its_database_is_an_outage_and_burns_nothing(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.no_database = True
            async with world.working(carrier) as worker:
                order_ids = await world.place(5)
                await world.until(lambda: len(world.rows()) == 5, "the shipments are received")
                await world.until(lambda: worker.health.is_degraded("orders"), "the outage is seen")
                await world.until(lambda: {r["worker_id"] for r in world.rows()} == {"w"}, "they stay ours")
                world.network.no_database = False
                await world.until_closed(order_ids)

    asyncio.run(scenario())


def test_a_held_order_waits_and_ships_once_it_is_released(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            with world.orders.writer.begin() as connection:
                connection.execute(sa.text("UPDATE orders SET status = 'OnHold'"))
            async with world.working(carrier):
                await world.until(
                    lambda: [row["note"] for row in world.rows()] == ["the order is OnHold"], "it is held"
                )
                assert world.rows()[0]["worker_id"] is None
                assert await world.ledger() == []
                with world.orders.writer.begin() as connection:
                    connection.execute(sa.text("UPDATE orders SET status = 'Created'"))
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed([order_id])
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


def test_a_cancelled_order_is_closed_without_a_call(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            with world.orders.writer.begin() as connection:
                connection.execute(sa.text("UPDATE orders SET status = 'Cancelled'"))
            async with world.working(carrier):
                await world.until_closed([order_id])
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_failing_orders_never_stop_the_others(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            refused, away, strange, *good = await world.place(20)
            outage = CarrierUnavailable("no answer", doubtful=True)
            carrier = Watched(
                inner, {refused: CarrierRefused("bad request"), away: outage, strange: KeyError()}
            )
            async with world.working(carrier, in_flight_max=2):
                await world.until_closed(good)

                async def has_attention() -> bool:
                    return (await world.order(refused))["attention"] is not None

                await world.until(has_attention, "the refused order asks for a person")
                await world.until(
                    lambda: all(row["copy_due_ms"] is None for row in world.rows(dead_letters)), "copied"
                )
                carrier.failing.clear()
                world.execute(
                    sa.update(shipments).where(shipments.c.due_at_ms.is_not(None)).values(due_at_ms=0)
                )
                await world.until_closed([away, strange])
            assert world.states()[refused] == "parked"
            assert (await world.order(refused))["attention"]["kind"] == "carrier-refused"
            assert (await world.order(refused))["status"] == "Processing"
            assert await world.live_shipments() == sorted([away, strange, *good])
            (letter,) = world.rows(dead_letters)
            assert (letter["kind"], letter["order_id"]) == ("carrier-refused", refused)

    asyncio.run(scenario())


def test_no_more_calls_are_in_flight_than_allowed(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Watched(inner)
            async with world.working(carrier, in_flight_max=3):
                order_ids = await world.place(30)
                await world.until_closed(order_ids)
            assert carrier.in_flight_most <= 3

    asyncio.run(scenario())


def test_a_worker_without_room_leaves_shipments_to_the_sweep(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(10)
            async with world.stepping(carrier) as worker:
                worker.capacity.reserve(10**6)

                async def received() -> bool:
                    await asyncio.to_thread(worker.inbox.run_once)
                    return len(world.rows()) == 10

                await world.until(received, "the shipments are received")
                assert {row["worker_id"] for row in world.rows()} == {None}
                assert await worker.recovery.run_once() == 0
                worker.capacity.give_back(4)
                assert await worker.recovery.run_once() == 4
                assert len(worker.capacity) == 4
            async with world.working(carrier):
                await world.until_closed(order_ids)

    asyncio.run(scenario())


def test_repeated_events_and_version_1_make_one_shipment(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            unknown = str(uuid.uuid4())
            publish(world, *[(order_id, event_1(order_id))] * 3, *[(unknown, event_1(unknown.upper()))] * 2)
            async with world.working(carrier) as worker:
                await world.until_closed([order_id])
                await world.until(lambda: worker.status().consumer.lag == 0, "all events are read")
                await world.until(lambda: world.states().get(unknown) == "parked", "the unknown is parked")
            assert len(world.rows()) == 2
            assert await world.live_shipments() == [order_id]
            parked = next(row for row in world.rows() if row["order_id"] == unknown)
            assert parked["parked_kind"] == "unknown-order"
            assert parked["traceparent"].startswith("00-aaaa")
            assert world.rows(attentions) == []

    asyncio.run(scenario())


def test_what_can_never_be_processed_keeps_its_bytes_and_the_next_ones_flow(
    world: World, http_carrier: OpenCarrier
) -> None:
    newer = json.dumps({"eventType": "OrderCreated", "schemaVersion": 3}).encode()

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (named,) = await world.place()
            publish(world, ("k", b"\xff\x00 no JSON"), (named, newer), ("", b"[]"))
            (after,) = await world.place()
            async with world.working(carrier) as worker:
                await world.until_closed([named, after])
                await world.until(
                    lambda: [r["copy_due_ms"] for r in world.rows(dead_letters)] == [None] * 3, "copied"
                )
                await world.until(lambda: worker.status().consumer.lag == 0, "the offsets are committed")
                await world.until(lambda: world.rows(attentions) == [], "the order was told")
            letters = {row["value"]: row for row in world.rows(dead_letters)}
            assert letters[b"\xff\x00 no JSON"]["kind"] == "undecodable"
            assert letters[newer]["kind"] == "newer-schema"
            assert letters[newer]["order_id"] == named
            copies = {copy.value: copy for copy in copied(world)}
            assert set(copies) == set(letters)
            headers = dict(copies[newer].headers)
            assert headers["topic"] == b"order-events"
            assert headers["attempts"] == b"1"
            assert headers["traceparent"].startswith(b"00-aaaa")
            assert headers["reason"].startswith(b"newer-schema")
            assert copies[newer].key == named.encode()

    asyncio.run(scenario())


def test_the_log_line_of_a_dead_letter_has_the_ids_that_other_lines_about_its_order_have(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> list[Any]:
        with capture_logs() as lines:
            async with world.running(), http_carrier(world.carrier_url) as carrier:
                publish(world, (ORDER_ID, b"[]"))
                world.log.publisher().publish([Message("order-events", "", b"{", ())])
                async with world.working(carrier):
                    await world.until(lambda: len(world.rows(dead_letters)) == 2, "both are dead letters")
        return [line for line in lines if line["event"] == "event.dead_letter"]

    told = {line["order_id"]: line for line in asyncio.run(scenario())}
    assert told[ORDER_ID]["correlation_id"] == "asked by \ufffd 2"
    assert (told[ORDER_ID]["trace_id"], told[ORDER_ID]["span_id"]) == ("a" * 32, "b" * 16)
    assert [told[None][name] for name in ("correlation_id", "trace_id", "span_id")] == [None] * 3


def copied(world: World) -> list[Record]:
    return world.log.consumer("order-events.dead-letter", "readers").poll(100, 5.0)
