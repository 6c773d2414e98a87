"""A worker may die between any two effects: every order still ends, with exactly one live shipment."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of

from orderflow.fulfillment.carriers import Carrier, Label, ShipmentRequest
from orderflow.fulfillment.decisions import INTERRUPTIONS_AT_ONCE
from orderflow.fulfillment.tables import shipments, workers
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import BusUnavailable, Consumer, ConsumerState, Record

ORDERS = 5
GROUP_OF_ANOTHER = "another"


class Stuck:
    """A carrier whose calls do not return until `go`. `makes`: it makes the shipment before that."""

    def __init__(self, inner: Carrier, *, makes: bool) -> None:
        self._inner = inner
        self._makes = makes
        self.go = asyncio.Event()
        self.calls = 0

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        label = await self._inner.create_shipment(request) if self._makes else None
        self.calls += 1
        await self.go.wait()
        made = label or await self._inner.create_shipment(request)
        return replace(made, tracking_number="FROM-THE-DEAD")

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


class CannotCommit:
    """A consumer whose commits do not reach the log."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        return self._inner.poll(records_max, 0.05)

    def commit(self, records: Sequence[Record]) -> None:
        raise BusUnavailable("no answer to the commit")

    def state(self) -> ConsumerState:
        return self._inner.state()

    def close(self) -> None:
        self._inner.close()


async def receive(world: World, worker: FulfillmentWorker, orders: int = ORDERS) -> None:
    async def received() -> bool:
        await asyncio.to_thread(worker.inbox.run_once)
        return len(world.rows()) >= orders

    await world.until(received, "the shipments are received")


async def open_gates(world: World, worker: FulfillmentWorker) -> None:
    await world.until(worker.sender.run_once, "Processing is acknowledged")


async def call_carrier(world: World, worker: FulfillmentWorker, until: Callable[[], bool]) -> None:
    await dispatcher_of(worker).run_once()
    await world.until(until, "the carrier calls are where they shall be")


async def ship_all(world: World, worker: FulfillmentWorker) -> None:
    await receive(world, worker)
    await open_gates(world, worker)
    await call_carrier(world, worker, lambda: set(world.states().values()) == {"shipped"})
    await world.until(lambda: worker.sender.owed == len(world.states()), "the outcomes are handed over")


async def vanished_in_calls(
    world: World, carrier: Carrier, *, orders: int = ORDERS, makes: bool = False
) -> list[str]:
    """Orders whose worker has vanished while it called the carrier for each of them. `makes` as in Stuck."""
    order_ids = await world.place(orders)
    stuck = Stuck(carrier, makes=makes)
    async with world.stepping(stuck) as worker:
        await receive(world, worker, orders)
        await open_gates(world, worker)
        await call_carrier(world, worker, lambda: stuck.calls == orders)
    return order_ids


async def another_worker_ends_it(world: World, carrier: Carrier, order_ids: list[str]) -> None:
    async with world.working(carrier, name="another"):
        await world.until_closed(order_ids)
    assert await world.live_shipments() == sorted(order_ids)
    for order_id in order_ids:
        assert (await world.order(order_id))["status"] == "Shipped"


def test_killed_between_insert_and_offset_commit(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            consumer = CannotCommit(world.log.consumer("order-events", "fulfillment"))
            async with world.stepping(carrier, consumer=consumer) as worker:
                await receive(world, worker)
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_killed_before_processing_was_sent(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await receive(world, worker)
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_killed_between_processing_and_intent(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await receive(world, worker)
                await open_gates(world, worker)
            assert await world.ledger() == []
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_killed_between_intent_and_carrier(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await vanished_in_calls(world, carrier)
            assert set(world.states().values()) == {"calling"}
            assert await world.ledger() == []
            await another_worker_ends_it(world, carrier, order_ids)
            assert {row["interruptions"] for row in world.rows()} == {1}

    asyncio.run(scenario())


def test_killed_between_carrier_and_record(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await vanished_in_calls(world, carrier, makes=True)
            assert set(world.states().values()) == {"calling"}
            assert len(await world.ledger()) == ORDERS
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_killed_between_record_and_update(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await ship_all(world, worker)
            assert (await world.order(order_ids[0]))["status"] == "Processing"
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_killed_between_update_and_acknowledgement(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await ship_all(world, worker)
                world.network.lose_answers = True
                assert await worker.sender.run_once() == 0
            world.network.lose_answers = False
            assert (await world.order(order_ids[0]))["status"] == "Shipped"
            assert set(world.states().values()) == {"shipped"}
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_a_zombies_late_write_changes_nothing(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            stuck = Stuck(carrier, makes=True)
            async with world.stepping(stuck) as zombie:
                await receive(world, zombie)
                await open_gates(world, zombie)
                await call_carrier(world, zombie, lambda: stuck.calls == ORDERS)
                world.execute(sa.update(workers).values(lease_until_ms=0))
                consumer = world.log.consumer("order-events", GROUP_OF_ANOTHER)
                async with world.working(carrier, name="another", consumer=consumer):
                    await world.until_closed(order_ids)
                before = world.rows()
                stuck.go.set()
                await world.until(
                    lambda: dispatcher_of(zombie).in_flight == 0, "the zombie has tried to write"
                )
                assert world.rows() == before
                assert zombie.sender.owed == 0
            assert await world.live_shipments() == sorted(order_ids)

    asyncio.run(scenario())


def test_a_lease_that_ends_far_in_the_future_counts_as_expired(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await receive(world, worker)
            world.execute(sa.update(workers).values(lease_until_ms=2**52))
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_a_live_lease_keeps_its_shipments(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            await world.place(ORDERS)
            async with world.stepping(carrier) as owner:
                await receive(world, owner)
                consumer = world.log.consumer("order-events", GROUP_OF_ANOTHER)
                async with world.stepping(carrier, name="another", consumer=consumer) as another:
                    await owner.lease.run_once()
                    assert await another.recovery.run_once() == 0

    asyncio.run(scenario())


def test_a_worker_that_lost_its_lease_begins_a_new_life_with_empty_hands(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            async with world.stepping(carrier) as worker:
                await receive(world, worker)
                before = worker.lease.owner
                world.execute(sa.update(workers).values(lease_until_ms=0))
                await worker.lease.run_once()
                assert worker.lease.owner.epoch > before.epoch
                assert len(worker.capacity) == 0
                assert worker.sender.owed == 0
                assert await worker.recovery.run_once() == ORDERS  # its old rows are free
                epochs = {row["epoch"] for row in world.rows()}
                assert epochs == {worker.lease.owner.epoch}
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_a_shipment_interrupted_too_often_waits_for_a_person(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await vanished_in_calls(world, carrier, orders=1)
            world.execute(sa.update(shipments).values(interruptions=20))
            async with world.working(carrier):

                async def has_attention() -> bool:
                    return (await world.order(order_id))["attention"] is not None

                await world.until(has_attention, "the order asks for a person")
            assert world.states() == {order_id: "parked"}
            assert await world.ledger() == []

    asyncio.run(scenario())


def test_only_calls_that_were_under_way_count_as_interrupted(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await vanished_in_calls(world, carrier)
            for _ in range(2):  # workers that vanish before they call
                async with world.stepping(carrier, name="unlucky") as worker:
                    assert await worker.recovery.run_once() == ORDERS
                    assert set(world.states().values()) == {"ready"}
            await another_worker_ends_it(world, carrier, order_ids)
            assert {row["interruptions"] for row in world.rows()} == {1}

    asyncio.run(scenario())


def test_a_shipment_interrupted_often_lets_others_go_first(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await vanished_in_calls(world, carrier, orders=1)
            world.execute(sa.update(shipments).values(interruptions=INTERRUPTIONS_AT_ONCE))
            async with world.stepping(carrier, name="careful") as worker:
                await worker.recovery.run_once()
                (row,) = world.rows()
                assert (row["state"], row["worker_id"], row["waits"]) == ("ready", None, 0)
                assert row["note"] == "workers vanished 6 times during the call"
                assert row["note"] in row["failed_calls"]
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())


def test_draining_lets_go_of_what_is_not_finished(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(ORDERS)
            world.network.down = True
            async with world.working(carrier):
                await world.until(lambda: len(world.rows()) == ORDERS, "the shipments are received")
                await world.until(lambda: all(r["worker_id"] for r in world.rows()), "they are owned")
            assert {row["worker_id"] for row in world.rows()} == {None}
            assert world.rows(workers) == []
            world.network.down = False
            await another_worker_ends_it(world, carrier, order_ids)

    asyncio.run(scenario())
