"""Workers of one deployment that have different payment providers: money stays with the one that has it."""

import asyncio
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World
from tests.fulfillment.test_cancelling import cancelling, request
from tests.fulfillment.test_crashes import Stuck, open_gates, receive
from tests.fulfillment.test_paying import PRICED, Provider, count, counted, ends, steps

from orderflow.fulfillment.carriers import Carrier
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.parties import Parties, Party
from orderflow.fulfillment.payments import Payments
from orderflow.fulfillment.tables import dead_letters, shipments

NOW = datetime.now(UTC)
AMOUNT_MINOR = 599


def only(name: str, provider: Provider) -> Payments:
    return Parties(Party(name, provider))


async def shipped_but_not_reported(world: World, carrier: Carrier, old: Provider) -> str:
    """An order whose money the old provider holds, and whose label is recorded."""
    [order_id] = await world.place(1, **PRICED)
    stuck = Stuck(carrier, makes=True)
    async with world.working(stuck, payments=only("old", old)):
        await world.until(lambda: stuck.calls == 1, "the carrier is being called")
        world.network.down = True
        stuck.go.set()
        await world.until(lambda: world.states() == {order_id: "shipped"}, "the label is recorded")
    world.network.down = False
    return order_id


def test_a_worker_that_cannot_ask_the_provider_leaves_the_capture_to_one_that_can(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        old, new = Provider(), Provider()
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_id = await shipped_but_not_reported(world, carrier, old)
            async with world.working(carrier, name="newer", payments=only("new", new)):
                await world.until(lambda: world.rows()[0]["step"] == "capture", "it is left")
                await asyncio.sleep(1.0)
                [row] = world.rows()
                assert (row["state"], row["worker_id"], row["party"]) == ("ready", None, "payments old")
                assert steps(world, order_id)["ship"] == "done"
            both = Parties(Party("new", new), (Party("old", old),))
            async with world.working(carrier, name="newest", payments=both):
                await ends(world, order_id, "Shipped")
            assert await old.charged(order_id) == [(AMOUNT_MINOR, 0, False)]
            assert await new.charged(order_id) == []
            assert counted(world) == {"p-1": (8, 0)}
            assert world.rows(dead_letters) == []

    asyncio.run(scenario())


def test_the_money_of_a_cancelled_order_is_given_back_where_it_is_held(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        old, new = Provider(), Provider()
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place(1, **PRICED)
            stuck = Stuck(carrier, makes=False)
            async with world.stepping(stuck, payments=only("old", old)) as worker:
                await receive(world, worker, 1)
                await open_gates(world, worker)
                for dispatcher in worker.dispatchers:
                    await dispatcher.run_once()
                await world.until(lambda: world.rows()[0]["step"] == "ship", "the payment is authorized")
                cancelling(world)
                await request(worker, order_id)
            async with world.working(carrier, name="newer", payments=only("new", new)):
                await world.until(lambda: world.rows()[0]["direction"] == "undo", "it has turned back")
                await asyncio.sleep(1.0)
                assert await old.charged(order_id) == [(0, 0, False)]
            both = Parties(Party("new", new), (Party("old", old),))
            async with world.working(carrier, name="newest", payments=both):
                await ends(world, order_id, "Cancelled")
            assert await old.charged(order_id) == [(0, 0, True)]
            assert await new.charged(order_id) == []
            assert counted(world) == {"p-1": (10, 0)}

    asyncio.run(scenario())


@pytest.mark.parametrize("redriven", [True, False])
def test_a_capture_that_no_worker_can_make_is_for_a_person(
    world: World, http_carrier: OpenCarrier, redriven: bool
) -> None:
    """Redriven once a worker knows the provider, it is captured; discarded, it is not. It has shipped anyway,
    so its stock is taken."""

    async def scenario() -> None:
        old, new = Provider(), Provider()
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_id = await shipped_but_not_reported(world, carrier, old)

            async def asks() -> bool:
                return (await world.order(order_id))["attention"] is not None

            async with world.working(carrier, name="newer", payments=only("new", new)) as worker:
                await world.until(lambda: world.rows()[0]["step"] == "capture", "it is left")
                world.execute(sa.update(shipments).values(due_at_ms=1))
                await world.until(asks, "the order asks for a person")
                [letter] = world.rows(dead_letters)
                assert (letter["kind"], letter["step"]) == ("payment", "capture")
                if not redriven:
                    await worker.discarder.discard(
                        letter["id"], actor="somebody", reason="seen to", correlation_id="c-1"
                    )
                    await ends(world, order_id, "Shipped")
            both = Parties(Party("new", new), (Party("old", old),))
            async with world.working(carrier, name="newest", payments=both) as worker:
                if redriven:
                    command = Redrive(letter["id"], "somebody", NOW)
                    answer = await worker.writer.submit_one(redrive.redrive, command)
                    assert answer == (Redriven.BACK, "")
                await ends(world, order_id, "Shipped")

                async def asks_no_more() -> bool:
                    return not await asks()

                await world.until(asks_no_more, "nobody is asked any more")
            captured_minor = AMOUNT_MINOR if redriven else 0
            assert await old.charged(order_id) == [(captured_minor, 0, False)]
            assert counted(world) == {"p-1": (8, 0)}

    asyncio.run(scenario())
