"""Status updates that are not accepted: each has its own schedule, which ends; a busy service is left
alone."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of

from orderflow.fulfillment.breaker import FAILURES_MAX, OPEN_S, Circuit
from orderflow.fulfillment.carriers import Carrier
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven, redrive
from orderflow.fulfillment.decisions import DURABLE_WAITS_MS
from orderflow.fulfillment.tables import attentions, dead_letters, shipments
from orderflow.fulfillment.worker import FulfillmentWorker

SCHEDULE = len(DURABLE_WAITS_MS)


class Locked:
    """The Order Service while the rows of `orders` are locked: updates of these get a 503; the real service
    answers the others of the same bulk. `takes`: they get the 503 once they were written."""

    def __init__(self, app: ASGIApp, *, takes: bool = False) -> None:
        self._app = app
        self._takes = takes
        self.orders: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PATCH" or not self.orders:
            await self._app(scope, receive, send)
            return
        updates = (await Request(scope, receive).json())["updates"]
        is_locked = [update["orderId"] in self.orders for update in updates]
        told = [u for u, locked in zip(updates, is_locked, strict=True) if self._takes or not locked]
        results = iter(await self._answers(scope, told) if told else [])
        answers: list[Any] = []
        for locked in is_locked:
            result = next(results) if self._takes or not locked else None
            answers.append({"status": 503, "problem": {"status": 503}} if locked else result)
        await JSONResponse({"results": answers})(scope, receive, send)

    async def _answers(self, scope: Scope, updates: list[Any]) -> list[Any]:
        body = json.dumps({"updates": updates}).encode()
        answer = bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answer.extend(message.get("body", b""))

        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._app({**scope, "headers": [*headers, length]}, receive, send)
        return json.loads(answer)["results"]


def row(world: World, order_id: str) -> Any:
    return next(found for found in world.rows() if found["order_id"] == order_id)


async def received(world: World, worker: FulfillmentWorker) -> None:
    count = len(world.rows())

    async def more() -> bool:
        await asyncio.to_thread(worker.inbox.run_once)
        return len(world.rows()) > count

    await world.until(more, "another shipment is received")


def test_an_update_that_is_never_taken_ends_as_a_dead_letter_while_others_flow(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.app = locked = Locked(world.network.app)
            (stuck,) = await world.place()
            locked.orders = {stuck}
            waiting = sa.and_(shipments.c.order_id == stuck, shipments.c.due_at_ms.is_not(None))
            async with world.stepping(carrier) as worker:
                await received(world, worker)
                for waits in range(SCHEDULE + 1):
                    assert row(world, stuck)["waits"] == waits
                    await world.place()  # the same bulk also has an update that is accepted
                    await received(world, worker)
                    assert await worker.sender.run_once() == 2
                    world.execute(sa.update(shipments).where(waiting).values(due_at_ms=0))
                    assert await worker.recovery.run_once() == (waits < SCHEDULE)
                assert row(world, stuck)["state"] == "parked"
                (letter,) = world.rows(dead_letters)
                assert (letter["kind"], letter["order_id"]) == ("update-unavailable", stuck)
                assert [owed["order_id"] for owed in world.rows(attentions)] == [stuck]
                assert worker.status().circuits["orders"] is Circuit.CLOSED

    asyncio.run(scenario())


async def parked_with_its_label(world: World, carrier: Carrier, locked: Locked) -> tuple[str, str]:
    """The order and the dead letter of a shipment whose Shipped was never acknowledged."""
    (order_id,) = await world.place()
    async with world.stepping(carrier) as worker:
        await received(world, worker)
        assert await worker.sender.run_once() == 1
        await dispatcher_of(worker).run_once()
        await world.until(lambda: world.states() == {order_id: "shipped"}, "it has a label")
    world.execute(sa.update(shipments).values(waits=SCHEDULE))
    locked.orders = {order_id}
    async with world.stepping(carrier, name="another") as worker:
        assert await worker.recovery.run_once() == 1
        await world.place()  # the same bulk also has an update that is accepted
        await received(world, worker)
        assert await worker.sender.run_once() == 2
    (letter,) = world.rows(dead_letters)
    assert (letter["kind"], letter["order_id"]) == ("update-unavailable", order_id)
    return order_id, letter["id"]


async def discarded(worker: FulfillmentWorker, letter_id: str) -> tuple[Discarded, str]:
    return await worker.discarder.discard(letter_id, actor="ada", correlation_id="c-1", reason="lost")


def test_a_discard_does_not_void_what_the_order_says_is_shipped(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.app = locked = Locked(world.network.app, takes=True)
            order_id, letter_id = await parked_with_its_label(world, carrier, locked)
            assert (await world.order(order_id))["status"] == "Shipped"
            async with world.working(carrier, name="third") as worker:
                refused, why = await discarded(worker, letter_id)
                assert refused is Discarded.NO_VOID
                assert why.startswith("Nobody knows whether the order is Shipped"), "it is still locked"
                locked.orders = set()
                assert await discarded(worker, letter_id) == (
                    Discarded.NO_VOID,
                    "The order is Shipped with this shipment: redrive the dead letter, and it is done.",
                )
                back = Redrive(letter_id, "ada", datetime.now(UTC))
                assert await worker.writer.submit_one(redrive, back) == (Redriven.BACK, "")
                await world.until_closed([order_id])
            assert order_id in await world.live_shipments()
            assert (await world.order(order_id))["status"] == "Shipped"

    asyncio.run(scenario())


def test_a_discard_voids_a_label_that_the_order_was_never_told(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.app = locked = Locked(world.network.app)
            order_id, letter_id = await parked_with_its_label(world, carrier, locked)
            locked.orders = set()
            async with world.working(carrier, name="third") as worker:
                assert await discarded(worker, letter_id) == (Discarded.DONE, "")
                await world.until_closed([order_id])
            assert order_id not in await world.live_shipments()
            assert (await world.order(order_id))["status"] == "Failed"

    asyncio.run(scenario())


def test_a_discard_voids_a_label_if_the_order_is_shipped_with_another(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.app = locked = Locked(world.network.app)
            order_id, letter_id = await parked_with_its_label(world, carrier, locked)
            locked.orders = set()
            by_hand = {"status": "Shipped", "fulfillment": {"carrier": "Pigeon", "trackingNumber": "P-1"}}
            async with world.session.patch(
                f"{world.orders_url}/api/orders/{order_id}/status", json=by_hand
            ) as response:
                assert response.status == 204
            async with world.working(carrier, name="third") as worker:
                assert await discarded(worker, letter_id) == (Discarded.DONE, "")
            assert order_id not in await world.live_shipments()

    asyncio.run(scenario())


@pytest.mark.parametrize(("failure_rate", "state"), [(0.0, "shipped"), (1.0, "rejected")])
def test_what_the_carrier_made_an_order_wait_is_not_counted_against_its_status_update(
    world: World, http_carrier: OpenCarrier, failure_rate: float, state: str
) -> None:
    async def scenario() -> None:
        async with (
            world.running(failure_rate=failure_rate),
            http_carrier(world.carrier_url) as carrier,
        ):
            world.network.app = locked = Locked(world.network.app)
            stuck, _ = await world.place(2)
            async with world.stepping(carrier, name="before") as worker:
                await received(world, worker)
                await world.until(worker.sender.run_once, "Processing is acknowledged")
            world.execute(sa.update(shipments).values(state="ready", waits=SCHEDULE))
            async with world.stepping(carrier) as worker:
                assert await worker.recovery.run_once() == 2
                await dispatcher_of(worker).run_once()
                await world.until(lambda: set(world.states().values()) == {state}, "outcomes are recorded")
                assert {found["waits"] for found in world.rows()} == {0}
                await world.until(lambda: worker.sender.owed == 2, "both updates are owed")
                locked.orders = {stuck}
                assert await worker.sender.run_once() == 2
                assert (row(world, stuck)["state"], row(world, stuck)["waits"]) == (state, 1)
            assert world.rows(dead_letters) == []

    asyncio.run(scenario())


def test_what_opened_the_gate_late_is_not_counted_against_the_carrier(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier("http://127.0.0.1:9") as away:
            await world.place()
            async with world.stepping(away) as worker:
                await received(world, worker)
            world.execute(sa.update(shipments).values(waits=SCHEDULE))
            async with world.stepping(away, name="another") as worker:
                assert await worker.recovery.run_once() == 1
                assert await worker.sender.run_once() == 1
                await dispatcher_of(worker).run_once()
                await world.until(lambda: world.rows()[0]["waits"] == 1, "the first of the carrier's waits")
            assert world.rows(dead_letters) == []

    asyncio.run(scenario())


def test_an_open_circuit_waits_for_as_long_as_the_order_service_has_asked(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            world.network.busy = True
            await world.place()
            seconds = 0.0
            async with world.stepping(carrier, monotonic=lambda: seconds) as worker:
                await received(world, worker)
                for _ in range(FAILURES_MAX):
                    await worker.sender.run_once()
                assert worker.status().circuits["orders"] is Circuit.OPEN
                seconds += OPEN_S
                await worker.sender.run_once()
                assert world.network.turned_away == FAILURES_MAX
                seconds += 4.0
                await worker.sender.run_once()
                assert world.network.turned_away == FAILURES_MAX + 1

    asyncio.run(scenario())
