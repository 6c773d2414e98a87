"""Today's program finishes what a release has left, with a person for what is left to a person."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.upgrades.earlier_release import LABEL, PARTY, TOPIC, Case, letter_id
from tests.upgrades.release_0_1 import PROVIDER, SEED

from orderflow.fulfillment.carriers import Carrier, ShipmentRequest
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.parties import Parties, Party
from orderflow.fulfillment.payments.simulated import SimulatedPayments
from orderflow.fulfillment.tables import attentions, dead_letters, reservations, shipments, stock
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import Message
from orderflow.orders.tables import orders, outbox

Cases = Mapping[str, Case]
WAIT_S_MAX = 60.0


def open_letters(cases: Cases) -> dict[str, Case]:
    return {name: case for name, case in cases.items() if case.letter and case.letter_state == "open"}


def unreadable(cases: Cases) -> set[str]:
    """Those whose event nobody can read, so that they stay dead letters."""
    return {name for name, case in cases.items() if case.value is not None}


async def finish(world: World, cases: Cases) -> None:
    """Let every order end, and check how."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(world.running())
        carrier = HttpCarrier(world.carrier_url)
        stack.push_async_callback(carrier.close)
        made = {
            name: await _make(world, carrier, case) for name, case in cases.items() if case.held_by_carrier
        }
        _publish_again(world, cases)
        provider = SimulatedPayments(seed=SEED, decline_rate=0, error_rate=0)
        payments = Parties(Party(PROVIDER.removeprefix("payments "), provider))
        async with world.working(carrier, party=PARTY, payments=payments) as worker:
            await _see_to(world, worker, cases)
            await _until_ended(world, cases, cases)
            on_hold = cases["on hold"].order_id
            assert await world.post(f"/api/orders/{on_hold}/release") == 200
            world.publish("OrderReleased", on_hold)
            await world.until_closed([case.order_id for case in cases.values() if case.shipment is not None])
            await _until_letters_are_done(world, cases)
        await _check_orders(world, cases, made)
        live = await world.live_shipments()
    called = [case for case in cases.values() if case.ends in ("Shipped", "OnHold") and not case.keeps_label]
    assert live == sorted(case.order_id for case in called), "each exactly once"
    assert world.rows(reservations) == []
    assert [row["product_id"] for row in world.rows(stock) if row["reserved"]] == []


async def _make(world: World, carrier: Carrier, case: Case) -> str:
    """Let the carrier make the shipment as the earlier release asked it to; returns the tracking number."""
    of_order = sa.select(shipments.c.request).where(shipments.c.order_id == case.order_id)
    with world.fulfillment.reader.connect() as connection:
        request = connection.execute(of_order).scalar_one()
    wanted = ShipmentRequest(case.order_id, f"orderflow-{case.order_id}", request)
    return (await carrier.create_shipment(wanted)).tracking_number


def _publish_again(world: World, cases: Cases) -> None:
    """The log has every event that was published and can be read, and gives them to a group that begins at
    the start."""
    lost = {cases[name].order_id for name in unreadable(cases)}
    published = sa.select(outbox.c.order_id, outbox.c.payload).where(outbox.c.published_at.is_not(None))
    with world.orders.reader.connect() as connection:
        found = connection.execute(published).all()
    world.log.publisher().publish(
        [Message(TOPIC, key.encode(), value.encode()) for key, value in found if key not in lost]
    )


async def _see_to(world: World, worker: FulfillmentWorker, cases: Cases) -> None:
    """Redrive every open letter, and discard again where that had begun."""
    waiting = open_letters(cases)
    by_hand = {name for name, case in cases.items() if case.letter_state == "discarding"}
    await _until_ended(world, cases, cases.keys() - waiting.keys() - by_hand)
    done: dict[str, Redriven] = {}
    for name, case in waiting.items():
        command = Redrive(letter_id(case), "ada", datetime.now(UTC))
        done[name], _ = await worker.writer.submit_one(redrive.redrive, command)
    assert {name for name, how in done.items() if how is not Redriven.BACK} == unreadable(cases)
    for name in by_hand:
        how, why = await worker.discarder.discard(
            letter_id(cases[name]), actor="ada", reason="given up", correlation_id="abc"
        )
        assert how is Discarded.DONE, why


async def _until_ended(world: World, cases: Cases, names: Iterable[str]) -> None:
    def differ() -> dict[str, str]:
        with world.orders.reader.connect() as connection:
            found = dict(connection.execute(sa.select(orders.c.order_id, orders.c.status)).all())
        now = {name: found[cases[name].order_id] for name in names}
        return {name: status for name, status in now.items() if status != cases[name].ends}

    deadline = time.monotonic() + WAIT_S_MAX
    while left := differ():
        if time.monotonic() > deadline:
            notes = {str(row["order_id"]): (row["state"], row["step"], row["note"]) for row in world.rows()}
            why = {name: (status, notes.get(cases[name].order_id)) for name, status in left.items()}
            raise AssertionError(f"these have not ended: {why}")
        await asyncio.sleep(0.05)


async def _until_letters_are_done(world: World, cases: Cases) -> None:
    def states() -> Counter[str]:
        return Counter(row["state"] for row in world.rows(dead_letters))

    letters = Counter(case.letter_state for case in cases.values() if case.letter is not None)
    discarded = letters["discarding"] + letters["discarded"]
    wanted = Counter(open=len(unreadable(cases)), discarded=discarded)
    wanted["resolved"] = letters.total() - wanted.total()
    await world.until(lambda: states() == +wanted, "letters are done, but for those that nobody can read")
    await world.until(
        lambda: not any(row["copy_due_ms"] for row in world.rows(dead_letters)), "letters are on the topic"
    )
    await world.until(lambda: not world.rows(attentions), "orders have been told who needs a person")


async def _check_orders(world: World, cases: Cases, made: Mapping[str, str]) -> None:
    for name, case in cases.items():
        order = await world.order(case.order_id)
        shown: dict[str, Any] = order["fulfillment"] or {}
        if case.keeps_label:
            assert shown["trackingNumber"] == LABEL["tracking_number"], name
        elif name in made and case.ends == "Shipped":
            assert shown["trackingNumber"] == made[name], name
        if name == "rejected, not told":
            assert shown["errorMessage"] == "too heavy"
        attention = order["attention"]
        assert (attention is not None) == (name in unreadable(cases)), (name, attention)
