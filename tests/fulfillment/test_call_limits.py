"""What no carrier call may do: block the circuit, use an expired key, fail an order because of a look-up, or
use up an order's schedule while the carrier is down for everybody."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of

from orderflow.fulfillment.breaker import FAILURES_MAX, OPEN_S, Circuit
from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.decisions import DURABLE_WAITS_MS
from orderflow.fulfillment.tables import dead_letters, shipments
from orderflow.fulfillment.worker import FulfillmentWorker

LIFETIME = timedelta(hours=1)
AWAY = CarrierUnavailable("no answer", doubtful=True)


class Failing:
    """A carrier that fails after it has made the shipment, or before; `look_up_error` fails look-ups."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner
        self.down = False
        self.fails_after = False
        self.look_up_error: Exception | None = None
        self.called: list[str] = []
        self.looked_up: list[str] = []

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        self.called.append(request.order_id)
        if self.down:
            raise AWAY
        label = await self._inner.create_shipment(request)
        if self.fails_after:
            raise AWAY
        return label

    async def find_shipments(self, order_id: str) -> list[Label]:
        self.looked_up.append(order_id)
        if self.look_up_error is not None:
            raise self.look_up_error
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


def circuit(worker: FulfillmentWorker) -> Circuit:
    return worker.status().circuits["carrier"]


async def gates_opened(world: World, worker: FulfillmentWorker, count: int) -> None:
    async def received() -> bool:
        await asyncio.to_thread(worker.inbox.run_once)
        return len(world.rows()) == count

    await world.until(received, "the shipments are received")
    await world.until(worker.sender.run_once, "Processing is acknowledged")


@contextmanager
def nobody_writes(world: World) -> Generator[None]:
    """The rows of all shipments are locked."""
    with world.fulfillment.writer.begin() as connection:
        connection.execute(sa.update(shipments).values(event_id=shipments.c.event_id))
        yield


def test_a_probe_whose_intent_was_never_written_leaves_the_circuit_to_others(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            carrier.down = True
            awake = asyncio.Event()
            seconds = 0.0

            async def sleep(_seconds: float) -> None:
                await awake.wait()

            await world.place(FAILURES_MAX)
            async with world.stepping(carrier, sleep=sleep, monotonic=lambda: seconds) as worker:
                await gates_opened(world, worker, FAILURES_MAX)
                await dispatcher_of(worker).run_once()
                await world.until(lambda: circuit(worker) is Circuit.OPEN, "the circuit opens")
                seconds += OPEN_S
                with nobody_writes(world):
                    awake.set()  # for the quick retries, one of which is the probe and waits for the database
                    await world.until(lambda: circuit(worker) is Circuit.HALF_OPEN, "a probe is on its way")
                    dispatcher_of(worker).abandon()
                    await world.until(lambda: dispatcher_of(worker).in_flight == 0, "the calls are cancelled")
                assert circuit(worker) is Circuit.OPEN, "it waits for no outcome, another may try"

    asyncio.run(scenario())


def test_a_quick_retry_beyond_the_keys_lifetime_is_a_look_up(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            carrier.fails_after = True

            def clock() -> datetime:
                return datetime.now(UTC) + (2 * LIFETIME if carrier.called else timedelta(0))

            (order_id,) = await world.place()
            async with world.working(carrier, clock=clock, key_lifetime=LIFETIME):
                await world.until_closed([order_id])
            assert (carrier.called, carrier.looked_up) == ([order_id], [order_id])
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())


def test_an_intent_that_waited_beyond_the_keys_lifetime_is_followed_by_a_look_up(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            (order_id,) = await world.place()
            late = timedelta(0)
            async with world.stepping(
                carrier, clock=lambda: datetime.now(UTC) + late, key_lifetime=LIFETIME
            ) as worker:
                await gates_opened(world, worker, 1)
                with nobody_writes(world):
                    begun = asyncio.create_task(dispatcher_of(worker).run_once())
                    await asyncio.sleep(0.1)
                    late = 2 * LIFETIME
                await begun
                await world.until(lambda: set(world.states().values()) == {"shipped"}, "it has shipped")
            assert (carrier.looked_up, carrier.called) == ([order_id], [order_id])

    asyncio.run(scenario())


def test_a_look_up_that_is_rejected_fails_no_order(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            carrier.look_up_error = CarrierRejected("no such reference")
            (order_id,) = await world.place()
            async with world.working(carrier, key_lifetime=timedelta(0)):
                await world.until(lambda: [row["waits"] for row in world.rows()] == [1], "it waits")
                assert "no such reference" in world.rows()[0]["note"]
                carrier.look_up_error = None
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed([order_id])
            assert (await world.order(order_id))["status"] == "Shipped"

    asyncio.run(scenario())


def test_a_long_outage_of_the_carrier_makes_no_dead_letter_of_a_failed_probe(
    world: World, http_carrier: OpenCarrier
) -> None:
    count, probes = 2 * FAILURES_MAX, 6
    exhausted = len(DURABLE_WAITS_MS)

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            order_ids = await world.place(count)
            async with world.stepping(carrier, name="before") as worker:
                await gates_opened(world, worker, count)
            world.execute(sa.update(shipments).values(state="ready", attempts=28, waits=exhausted))
            carrier.down = True
            seconds = 0.0
            async with world.working(carrier, monotonic=lambda: seconds) as worker:
                await world.until(lambda: circuit(worker) is Circuit.OPEN, "the circuit opens")
                for probe in range(1, probes + 1):
                    await world.until(lambda: dispatcher_of(worker).in_flight == 0, "nobody calls")
                    before = len(carrier.called)
                    seconds += OPEN_S
                    await world.until(lambda was=before: len(carrier.called) == was + 1, "a probe is sent")
                    await world.until(
                        lambda sent=probe: [r["note"] for r in world.rows()].count("no answer") == sent,
                        "it goes to the back",
                    )
                assert world.rows(dead_letters) == []
                assert {row["waits"] for row in world.rows()} == {exhausted}
                assert sum(row["attempts"] for row in world.rows()) == 28 * count + len(carrier.called)
                carrier.down = False
                seconds += OPEN_S
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until_closed(order_ids)
            assert await world.live_shipments() == sorted(order_ids)

    asyncio.run(scenario())


def test_an_order_that_is_alone_in_failing_ends_as_a_dead_letter_though_it_opens_the_circuit(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Failing(inner)
            (order_id,) = await world.place(1)
            async with world.stepping(carrier, name="before") as worker:
                await gates_opened(world, worker, 1)
            last_wait = len(DURABLE_WAITS_MS) - 1
            world.execute(sa.update(shipments).values(state="ready", attempts=20, waits=last_wait))
            carrier.down = True
            seconds = 0.0
            async with world.working(carrier, monotonic=lambda: seconds) as worker:
                await world.until(lambda: world.rows()[0]["waits"] == last_wait + 1, "its last wait begins")
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await world.until(lambda: circuit(worker) is Circuit.OPEN, "the circuit opens")
                await world.until(lambda: dispatcher_of(worker).in_flight == 0, "nobody calls")
                seconds += OPEN_S
                await world.until(lambda: world.states() == {order_id: "parked"}, "it is given up")
            (letter,) = world.rows(dead_letters)
            assert letter["kind"] == "carrier-unavailable"

    asyncio.run(scenario())
