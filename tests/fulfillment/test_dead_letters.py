"""What a person does with dead letters: every order ends, nothing ships twice, and each step is recorded."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.fulfillment import queries
from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRefused,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.dead_letters import group_redrive, redrive
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.group_redrive import StartRedrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.tables import dead_letter_actions, dead_letters, redrives, shipments
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import Message

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Moody:
    """A carrier that refuses chosen orders, can be told to make their shipments even so, and may fail to
    void."""

    def __init__(self, inner: Carrier, *, makes: bool = False) -> None:
        self._inner = inner
        self._makes = makes
        self.refuses: set[str] = set()
        self.void_error: Exception | None = None

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        if request.order_id in self.refuses:
            if self._makes:
                await self._inner.create_shipment(request)
            raise CarrierRefused("bad request")
        return await self._inner.create_shipment(request)

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        if self.void_error is not None:
            raise self.void_error
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


async def redriven(worker: FulfillmentWorker, letter_id: str) -> tuple[Redriven, str]:
    return await worker.writer.submit_one(redrive.redrive, Redrive(letter_id, "ada", NOW))


def letter_of(world: World, order_id: str) -> Any:
    return next(row for row in world.rows(dead_letters) if row["order_id"] == order_id)


def actions(world: World, letter_id: str) -> list[tuple[str, str]]:
    """Action and actor, in order."""
    done = [row for row in world.rows(dead_letter_actions) if row["letter_id"] == letter_id]
    return [(row["action"], row["actor"]) for row in sorted(done, key=lambda row: row["at"])]


async def parked(world: World, carrier: Moody, count: int = 1) -> list[str]:
    """Orders that the carrier refused; a worker runs already."""
    order_ids = await world.place(count)
    carrier.refuses.update(order_ids)
    return order_ids


async def until_parked(world: World, order_ids: list[str]) -> None:
    await world.until(lambda: {world.states().get(o) for o in order_ids} == {"parked"}, "all are parked")


async def until_letter(world: World, order_id: str, state: str) -> None:
    await world.until(lambda: letter_of(world, order_id)["state"] == state, f"the letter is {state}")


def publish(world: World, order_id: str, value: bytes) -> None:
    world.log.publisher().publish([Message("order-events", order_id, value, ())])


def test_exhausted_work_is_redriven_in_place_and_followed_to_the_orders_end(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Moody(inner)
            (order_id,) = await parked(world, carrier)
            async with world.working(carrier) as worker:
                await until_parked(world, [order_id])
                letter_id = letter_of(world, order_id)["id"]
                assert (await redriven(worker, letter_id))[0] is Redriven.BACK
                await until_letter(world, order_id, "open")
                carrier.refuses.clear()
                assert (await redriven(worker, letter_id))[0] is Redriven.BACK
                await until_letter(world, order_id, "resolved")
                assert letter_of(world, order_id)["outcome"] == "Shipped"
                assert (await redriven(worker, letter_id))[0] is Redriven.NOT_OPEN
            order = await world.order(order_id)
            assert (order["status"], order["attention"]) == ("Shipped", None)
            assert len(world.rows(dead_letters)) == 1
            assert {name for name, _ in actions(world, letter_id)} == {"redrive", "failed-again", "resolve"}
            assert ("redrive", "ada") in actions(world, letter_id)
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


def test_a_poison_event_is_redriven_from_its_bytes_once_it_can_be_read(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            body = {
                "eventType": "OrderCreated",
                "orderId": order_id,
                "customer": {"customerId": "c-1", "name": "Ada"},
                "items": [{"productId": "p-1", "quantity": 2}],
                "createdAt": "2026-02-10T09:30:00Z",
                "metadata": {"source": "OrderService", "correlationId": "abc"},
            }
            publish(world, order_id, json.dumps(body | {"schemaVersion": 9}).encode())
            async with world.working(carrier) as worker:
                await world.until_closed([order_id])
                await world.until(lambda: world.rows(dead_letters), "the event is a dead letter")
                letter_id = letter_of(world, order_id)["id"]
                result, why = await redriven(worker, letter_id)
                assert result is Redriven.FAILED
                assert "newer-schema" in why
                # As after an upgrade: the same bytes can be read now.
                world.execute(sa.update(dead_letters).values(value=json.dumps(body).encode()))
                world.execute(sa.delete(shipments))
                assert (await redriven(worker, letter_id))[0] is Redriven.BACK
                await until_letter(world, order_id, "resolved")
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


def test_a_discard_voids_what_the_carrier_made_and_the_order_fails(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Moody(inner, makes=True)
            (order_id,) = await parked(world, carrier)
            async with world.working(carrier) as worker:
                await until_parked(world, [order_id])
                letter_id = letter_of(world, order_id)["id"]
                assert await world.live_shipments() == [order_id]
                carrier.refuses.clear()
                done = await worker.discarder.discard(
                    letter_id, actor="ada", correlation_id="c-1", reason="the customer left"
                )
                assert done == (Discarded.DONE, "")
                await world.until_closed([order_id])
                again = await worker.discarder.discard(
                    letter_id, actor="ada", correlation_id="c-1", reason="twice"
                )
                assert again == (Discarded.DONE, "")
            order = await world.order(order_id)
            assert (order["status"], order["attention"]) == ("Failed", None)
            assert order["fulfillment"]["errorMessage"] == "the customer left"
            assert await world.live_shipments() == []
            assert actions(world, letter_id) == [("discard", "ada")]

    asyncio.run(scenario())


def test_a_discard_is_refused_while_the_void_cannot_be_obtained(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Moody(inner, makes=True)
            (order_id,) = await parked(world, carrier)
            async with world.working(carrier) as worker:
                await until_parked(world, [order_id])
                letter_id = letter_of(world, order_id)["id"]
                carrier.refuses.clear()
                carrier.void_error = CarrierRefused("it has left the house")
                result, why = await worker.discarder.discard(
                    letter_id, actor="ada", correlation_id="c-1", reason="no"
                )
                assert result is Discarded.NO_VOID
                assert "it has left the house" in why
                assert world.states() == {order_id: "parked"}
                assert letter_of(world, order_id)["state"] == "open", "it may still be redriven"

                carrier.void_error = CarrierUnavailable("no answer", doubtful=True)
                assert (
                    await worker.discarder.discard(letter_id, actor="ada", correlation_id="c-1", reason="no")
                )[0] is result
                assert letter_of(world, order_id)["state"] == "discarding", "voided perhaps"
                assert (await redriven(worker, letter_id))[0] is Redriven.NOT_OPEN
                assert (await world.order(order_id))["status"] == "Processing"

                carrier.void_error = None
                assert (
                    await worker.discarder.discard(letter_id, actor="ada", correlation_id="c-1", reason="yes")
                )[0] is (Discarded.DONE)
                await world.until_closed([order_id])
            assert (await world.order(order_id))["status"] == "Failed"
            assert await world.live_shipments() == []

    asyncio.run(scenario())


def test_discarding_the_event_of_an_order_without_shipment_fails_the_order_by_way_of_processing(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            publish(world, order_id, b"no JSON")
            async with world.working(carrier) as worker:
                await world.until_closed([order_id])
                await world.until(lambda: world.rows(dead_letters), "the event is a dead letter")
            # As if the readable event had never come.
            with world.orders.writer.begin() as connection:
                connection.execute(sa.text("UPDATE orders SET status = 'Created', shipped_at = NULL"))
                connection.execute(sa.text("UPDATE orders SET carrier = NULL, tracking_number = NULL"))
            world.execute(sa.delete(shipments))
            async with world.working(carrier, name="v") as worker:
                letter_id = letter_of(world, order_id)["id"]
                done = await worker.discarder.discard(
                    letter_id, actor="ada", correlation_id="c-1", reason="unreadable"
                )
                assert done[0] is Discarded.DONE
                await world.until_closed([order_id])
            order = await world.order(order_id)
            assert (order["status"], order["fulfillment"]["errorMessage"]) == ("Failed", "unreadable")

    asyncio.run(scenario())


def test_a_group_is_redriven_and_stops_by_itself_when_its_items_fail_again(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Moody(inner)
            order_ids = await parked(world, carrier, 8)
            async with world.working(carrier) as worker:
                await until_parked(world, order_ids)
                group = StartRedrive(
                    "01a204ad-977c-7a5a-b4a3-589b3ddf62d2", "carrier-refused", None, 2, "ada", NOW
                )
                assert await worker.writer.submit_one(group_redrive.start, group)
                second = replace(group, id="01a204ad-977c-7a5a-b4a3-589b3ddf62d3")
                assert not await worker.writer.submit_one(group_redrive.start, second), "one at a time"
                await world.until(lambda: world.rows(redrives)[0]["state"] == "stopped", "it stops")
                assert world.rows(redrives)[0]["redriven"] < 8
                await world.until(lambda: set(world.states().values()) == {"parked"}, "all are back")

                carrier.refuses.clear()
                assert await worker.writer.submit_one(group_redrive.start, replace(second, rate_per_s=100))
                await world.until_closed(order_ids)
                await world.until(
                    lambda: {row["state"] for row in world.rows(redrives)} == {"stopped", "done"}, "it ends"
                )
            assert {row["state"] for row in world.rows(dead_letters)} == {"resolved"}
            assert await world.live_shipments() == sorted(order_ids)

    asyncio.run(scenario())


def test_an_event_with_other_content_is_kept_as_evidence_and_asks_for_nobody(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            async with world.working(carrier) as worker:
                await world.until_closed([order_id])
                event_id = world.rows()[0]["event_id"]
                other = {
                    "eventType": "OrderCreated",
                    "schemaVersion": 2,
                    "eventId": event_id,
                    "orderId": order_id,
                    "orderVersion": 1,
                    "customer": {"customerId": "c-1", "name": "Ada"},
                    "items": [{"productId": "p-1", "quantity": 3}],
                    "createdAt": "2026-02-10T09:30:00Z",
                    "metadata": {"source": "OrderService", "correlationId": "abc"},
                }
                publish(world, order_id, json.dumps(other).encode())
                await world.until(lambda: world.rows(dead_letters), "the evidence is kept")
                (letter,) = world.rows(dead_letters)
                assert (letter["kind"], letter["order_id"]) == ("conflicting-event", order_id)
                assert json.loads(letter["value"]) == other
                assert (await redriven(worker, letter["id"]))[0] is Redriven.FAILED
                done = await worker.discarder.discard(
                    letter["id"], actor="ada", correlation_id="c-1", reason="seen"
                )
                assert done[0] is Discarded.DONE
            order = await world.order(order_id)
            assert (order["status"], order["attention"]) == ("Shipped", None)
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        (b"\xff\x00no UTF-8", b"{", {"keyBase64": "/wBubyBVVEYtOA==", "valueBytes": 1}),
        ("a key", None, {"key": "a key", "valueBytes": None}),
        (b"", b"", {"key": "", "valueBytes": 0}),
        (None, b"{", {"key": None, "valueBytes": 1}),
    ],
)
def test_a_copy_has_the_key_and_the_value_unchanged_and_so_has_the_row(
    world: World,
    http_carrier: OpenCarrier,
    key: str | bytes | None,
    value: bytes | None,
    shown: dict[str, object],
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            sent = Message("order-events", key, value, (("correlation-id", b"c-1"), ("odd", b"\xff")))
            world.log.publisher().publish([sent])
            async with world.working(carrier):
                await world.until(
                    lambda: [row["copy_due_ms"] for row in world.rows(dead_letters)] == [None], "it is copied"
                )
            (letter,) = world.rows(dead_letters)
            assert (letter["key"], letter["value"]) == (sent.encoded_key, value)
            consumer = world.log.consumer("order-events.dead-letter", "test")
            (copy,) = consumer.poll(10, 1)
            consumer.close()
            assert (copy.key, copy.value) == (sent.encoded_key, value)
            with world.fulfillment.reader.connect() as connection:
                document = queries.get_dead_letter(connection, letter["id"])
                message = queries.get_message(connection, letter["id"])
            assert document is not None
            assert document.items() >= shown.items()
            named = {name: text for name, text in shown.items() if name != "valueBytes"}
            text = None if value is None else value.decode()
            headers = [{"name": "correlation-id", "value": "c-1"}, {"name": "odd", "valueBase64": "/w=="}]
            assert message == {**named, "headers": headers, "value": text}

    asyncio.run(scenario())
