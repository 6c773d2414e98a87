"""Redriving when things go wrong: a letter's trouble affects no other letter, and failing again is
noticed."""

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.dead_letters import group_redrive, redrive
from orderflow.fulfillment.dead_letters.group_redrive import StartRedrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.model import State
from orderflow.fulfillment.tables import dead_letter_actions, dead_letters, redrives, shipments
from orderflow.messaging import Message

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LONGEST = "x" * 1000

_REFUSING = {
    "sqlite": "CREATE TRIGGER refusing BEFORE INSERT ON shipments WHEN NEW.order_id = '{order_id}' "
    "BEGIN SELECT RAISE(ABORT, 'never'); END",
    "postgresql": "ALTER TABLE shipments ADD CONSTRAINT refusing CHECK (order_id <> '{order_id}') NOT VALID",
    "mssql": "ALTER TABLE shipments ADD CONSTRAINT refusing CHECK (order_id <> '{order_id}')",
}


def idle_carrier() -> SimulatedCarrier:
    return SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)


def event(order_id: str, **changed: Any) -> bytes:
    body = {
        "eventType": "OrderCreated",
        "orderId": order_id,
        "customer": {"customerId": "c-1", "name": "Ada"},
        "items": [{"productId": "p-1", "quantity": 2}],
        "createdAt": "2026-02-10T09:30:00Z",
        "metadata": {"source": "OrderService", "correlationId": "abc"},
    }
    return json.dumps(body | changed).encode()


def put_letter(world: World, order_id: str | None, **columns: Any) -> str:
    letter_id = str(uuid.uuid4())
    values = {
        "id": letter_id,
        "kind": "unstorable",
        "reason": "it could not be stored",
        "order_id": order_id,
        "topic": "order-events",
        "partition": 0,
        "offset": 0,
        "value": event(order_id) if order_id else None,
        "headers": b"[]",
        "attempts": 1,
        "at": NOW,
        "state": "open",
    }
    world.execute(sa.insert(dead_letters).values(values | columns))
    return letter_id


def refuse_to_store(world: World, order_id: str) -> None:
    """Make the database refuse a shipment of this order."""
    statement = _REFUSING[world.fulfillment.writer.dialect.name].format(order_id=order_id)
    world.execute(sa.text(statement))


def letter(world: World, letter_id: str) -> Any:
    return next(row for row in world.rows(dead_letters) if row["id"] == letter_id)


def group(kind: str, rate_per_s: int = 100, *, staged: bool = False) -> StartRedrive:
    return StartRedrive(str(uuid.uuid4()), kind, None, rate_per_s, "ada", NOW, staged)


def test_an_outcome_with_the_longest_of_errors_is_cut_and_ends_no_loop(world: World) -> None:
    async def scenario() -> None:
        order_id = str(uuid.uuid4())
        world.put_shipment(order_id, error=LONGEST)
        letter_id = put_letter(world, order_id, state="redriven")
        async with world.stepping(idle_carrier()) as worker:
            await worker.redriver.run_once()
        assert letter(world, letter_id)["state"] == "resolved"
        assert letter(world, letter_id)["outcome"] == f"Failed: {LONGEST}"[:999] + "…"

    asyncio.run(scenario())


def test_a_letter_that_cannot_be_stored_is_open_again_and_the_others_go_on(world: World) -> None:
    async def scenario() -> None:
        order_ids = [str(uuid.uuid4()) for _ in range(5)]
        letter_ids = [put_letter(world, order_id) for order_id in order_ids]
        refuse_to_store(world, order_ids[2])
        async with world.stepping(idle_carrier()) as worker:
            await worker.writer.submit_one(group_redrive.start, group("unstorable"))
            assert await worker.redriver.run_once() == 5
            assert set(world.states()) == set(order_ids) - {order_ids[2]}
            states = [letter(world, letter_id)["state"] for letter_id in letter_ids]
            assert states == ["redriven", "redriven", "open", "redriven", "redriven"]
            (noted,) = [row for row in world.rows(dead_letter_actions) if row["action"] == "failed-again"]
            assert noted["letter_id"] == letter_ids[2]
            assert "never" in noted["note"] or "refusing" in noted["note"]

            again = Redrive(letter_ids[2], "ada", NOW)
            result, why = await worker.writer.submit_one(redrive.redrive, again)
            assert result is Redriven.FAILED, "a person hears why, too"
            assert why == noted["note"]

    asyncio.run(scenario())


def test_a_group_whose_letters_fail_at_once_stops_though_their_orders_are_done(world: World) -> None:
    async def scenario() -> None:
        for _ in range(6):
            order_id = str(uuid.uuid4())
            world.put_shipment(order_id, request=b"other content")
            put_letter(world, order_id, kind="conflicting-event")
        async with world.stepping(idle_carrier()) as worker:
            await worker.writer.submit_one(group_redrive.start, group("conflicting-event", rate_per_s=1))
            for _ in range(6):
                world.execute(sa.update(redrives).values(step_due_ms=0))
                await worker.redriver.run_once()
        (stopped,) = world.rows(redrives)
        assert (stopped["state"], stopped["redriven"]) == ("stopped", 3)

    asyncio.run(scenario())


def test_a_redrive_in_stages_waits_for_the_outcomes_of_each_stage(world: World) -> None:
    async def scenario() -> None:
        for _ in range(130):
            put_letter(world, str(uuid.uuid4()))
        async with world.stepping(idle_carrier()) as worker:

            async def step() -> int:
                world.execute(sa.update(redrives).values(step_due_ms=0))
                return await worker.redriver.run_once()

            await worker.writer.submit_one(group_redrive.start, group("unstorable", staged=True))
            for size in (1, 10, 100, 19):
                assert await step() == size
                assert await step() == 0, "nothing has become of these letters yet"
                world.execute(sa.update(shipments).values(state=State.CLOSED))
            await step()
        (done,) = world.rows(redrives)
        assert (done["state"], done["redriven"], done["letters"]) == ("done", 130, 130)

    asyncio.run(scenario())


def test_a_redrive_in_stages_stops_when_the_first_letter_fails_again(world: World) -> None:
    async def scenario() -> None:
        for _ in range(6):
            order_id = str(uuid.uuid4())
            world.put_shipment(order_id, request=b"other content")
            put_letter(world, order_id, kind="conflicting-event")
        async with world.stepping(idle_carrier()) as worker:
            await worker.writer.submit_one(group_redrive.start, group("conflicting-event", staged=True))
            for _ in range(3):
                world.execute(sa.update(redrives).values(step_due_ms=0))
                await worker.redriver.run_once()
        (stopped,) = world.rows(redrives)
        assert (stopped["state"], stopped["redriven"]) == ("stopped", 1)
        assert stopped["note"] == "stopped by itself: 1 of 1 failed again"

    asyncio.run(scenario())


def test_a_resolved_event_takes_its_attention_from_an_order_that_had_shipped_before(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            async with world.working(carrier) as worker:
                await world.until_closed([order_id])
                poison = [event(order_id, schemaVersion=9, note=number) for number in (1, 2)]
                world.log.publisher().publish([Message("order-events", order_id, p, ()) for p in poison])
                await world.until(lambda: len(world.rows(dead_letters)) == 2, "both are dead letters")

                async def attention() -> Any:
                    return (await world.order(order_id))["attention"]

                await world.until(attention, "the order asks for a person")
                # As after an upgrade: the bytes can be read now, and match what has shipped.
                world.execute(sa.update(dead_letters).values(value=event(order_id)))
                first, second = (row["id"] for row in world.rows(dead_letters))
                await worker.writer.submit_one(redrive.redrive, Redrive(first, "ada", NOW))
                await world.until(lambda: letter(world, first)["state"] == "resolved", "it is resolved")
                await asyncio.sleep(1.5)
                assert await attention(), "the other event still asks for a person"

                await worker.writer.submit_one(redrive.redrive, Redrive(second, "ada", NOW))

                async def is_content() -> bool:
                    return await attention() is None

                await world.until(is_content, "the order asks for nobody")
            assert (await world.order(order_id))["status"] == "Shipped"
            assert await world.live_shipments() == [order_id]

    asyncio.run(scenario())
