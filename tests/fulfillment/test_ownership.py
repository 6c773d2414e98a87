"""Who may change a shipment, and who holds it: no worker gets the answers of another, or of its own earlier
life (epoch)."""

import asyncio
import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World

from orderflow.database.dialects import locked as lock_rows
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.carriers import Label
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.fencing import Change
from orderflow.fulfillment.model import (
    Call,
    Close,
    Done,
    Owner,
    Park,
    Shipment,
    State,
    TurnBack,
    Wait,
    Written,
)
from orderflow.fulfillment.shipments import apply
from orderflow.fulfillment.tables import shipments, workers
from orderflow.fulfillment.worker import FulfillmentWorker

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OLD, NEW = Owner("w", 1), Owner("w", 2)


def carrier() -> SimulatedCarrier:
    return SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)


async def receive(world: World, worker: FulfillmentWorker, count: int) -> None:
    async def received() -> bool:
        await asyncio.to_thread(worker.inbox.run_once)
        return len(world.rows()) == count

    await world.until(received, "the shipments are received")
    await world.until(lambda: len(worker.capacity) == count, "they are held")


def row(world: World, order_id: str) -> Any:
    return next(found for found in world.rows() if found["order_id"] == order_id)


def test_a_shipment_let_go_of_is_claimed_again_while_its_neighbour_still_waits_to_be_written(
    world: World,
) -> None:
    if world.fulfillment.embedded:
        pytest.skip("SQLite has one writer: no row waits without the others")

    async def scenario() -> None:
        async with world.running():
            order_ids = await world.place(2)
            with world.orders.writer.begin() as connection:
                connection.execute(sa.text("UPDATE orders SET status = 'OnHold'"))
            free, locked = sorted(order_ids)
            async with world.stepping(carrier()) as worker:
                await receive(world, worker, 2)
                with world.fulfillment.writer.begin() as connection:
                    if connection.dialect.name == "postgresql":
                        # The lock is held for as long as the test takes, on a slow machine too.
                        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                    of_locked = sa.select(shipments).where(shipments.c.order_id == locked)
                    connection.execute(lock_rows(of_locked, shipments)).all()
                    answered = asyncio.create_task(worker.sender.run_once())
                    await world.until(lambda: row(world, free)["worker_id"] is None, "one is let go of")
                    world.execute(
                        sa.update(shipments).where(shipments.c.order_id == free).values(due_at_ms=0)
                    )
                    assert await worker.recovery.run_once() == 1
                assert await answered == 2
                assert len(worker.capacity) == 1, "the one that was claimed again"
                assert row(world, free)["worker_id"] == "w"
                assert row(world, locked)["worker_id"] is None

    asyncio.run(scenario())


def move(order_id: str, owner: Owner, decision: Written) -> Change:
    shipment = Shipment(order_id, owner, "abc", None, b"{}", NOW, NOW, intent_at=NOW, state=State.CALLING)
    return Change(shipment, decision, NOW)


OLD_DECISIONS: list[Written] = [
    Call(),
    Done(label=Label("s-1", "Carrier", "T-1", NOW)),
    TurnBack("old", rejected=True),
    Wait(1_000, "old"),
    Close("old"),
    Park("k", "old", "old"),
]
NEW_DECISIONS: list[Written] = [Call(), Wait(1_000, "new"), Close("new"), Park("k", "new", None)]


def test_of_two_lives_in_one_batch_only_the_current_one_is_told_that_it_has_written(world: World) -> None:
    for of_old, of_new in itertools.product(OLD_DECISIONS, NEW_DECISIONS):
        order_id = str(uuid.uuid4())
        world.put_shipment(order_id, state="calling", worker_id=NEW.worker_id, epoch=NEW.epoch)
        moves = [move(order_id, OLD, of_old), move(order_id, NEW, of_new)]
        with world.fulfillment.writer.begin() as connection:
            tx = Transaction(connection)
            of_old_life, of_new_life = apply(tx, moves)
            assert of_old_life is None, (of_old, of_new)
            assert of_new_life is not None, (of_old, of_new)
            tx.send()
        written = row(world, order_id)
        assert written["note"] in ("new", None)
        assert (written["shipment_id"], written["error"]) == (None, None)


def test_what_an_earlier_life_was_sending_never_comes_back(world: World) -> None:
    async def scenario() -> None:
        async with world.running():
            await world.place(3)
            async with world.stepping(carrier()) as worker:
                await receive(world, worker, 3)
                world.network.down = True
                sending = asyncio.create_task(worker.sender.run_once())
                await asyncio.sleep(0)
                assert worker.sender.owed == 3
                await worker.lease.renounce()
                assert await sending == 0
                assert worker.sender.owed == 0

    asyncio.run(scenario())


def test_a_worker_whose_name_another_one_lives_under_goes_on_under_a_new_one(world: World) -> None:
    """The two workers disturb each other once, not for ever."""

    async def scenario() -> None:
        consumer = world.log.consumer("order-events", "a group of its own")
        async with (
            world.running(),
            world.stepping(carrier()) as one,
            world.stepping(carrier(), consumer=consumer) as another,
        ):
            assert one.lease.owner.worker_id == another.lease.owner.worker_id == "w"
            await one.lease.run_once()
            owners = one.lease.owner, another.lease.owner
            assert owners[0].worker_id.startswith("w.")
            assert owners[0].epoch > 0
            for _ in range(3):
                await one.lease.run_once()
                await another.lease.run_once()
            assert (one.lease.owner, another.lease.owner) == owners

    asyncio.run(scenario())


def test_a_worker_whose_lease_has_run_out_keeps_its_name(world: World) -> None:
    """The worker was suspended, and nobody took its name meanwhile."""

    async def scenario() -> None:
        async with world.running(), world.stepping(carrier()) as worker:
            before = worker.lease.owner
            world.execute(sa.update(workers).values(lease_until_ms=0))
            await worker.lease.run_once()
            assert worker.lease.owner.worker_id == before.worker_id
            assert worker.lease.owner.epoch > before.epoch

    asyncio.run(scenario())
