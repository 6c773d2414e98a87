"""What an order costs is charged exactly if it ships, and its stock is taken exactly if it ships."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World
from tests.fulfillment.test_cancelling import cancelling
from tests.fulfillment.test_crashes import Stuck

from orderflow.database.transaction import Transaction
from orderflow.fulfillment.carriers import Carrier, CarrierRejected, Label, ShipmentRequest
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.parties import Parties, Party
from orderflow.fulfillment.payments import PaymentDeclined, PaymentRefused, Payments, PaymentUnavailable
from orderflow.fulfillment.payments.simulated import SimulatedPayments
from orderflow.fulfillment.queries import get_shipment
from orderflow.fulfillment.stock.records import SetOnHand, set_on_hand
from orderflow.fulfillment.tables import dead_letters, reservations, shipments, stock

NOW = datetime.now(UTC)
STEPS = ("stock", "authorize", "ship", "capture")
PRICED: dict[str, Any] = {
    "items": [
        {"productId": "p-1", "quantity": 2, "unitPrice": {"amountMinor": 250, "currency": "EUR"}},
        {"productId": "p-2", "quantity": 1, "unitPrice": {"amountMinor": 99, "currency": "EUR"}},
    ]
}


class Provider(SimulatedPayments):
    """A provider whose ledger tests can read, and which fails as they tell it."""

    def __init__(self, *, decline_rate: float = 0.0) -> None:
        super().__init__(seed=1, decline_rate=decline_rate, error_rate=0.0)
        self.failing: dict[str, Exception] = {}
        """What is raised, by the operation's name."""

    async def capture(self, authorization_id: str) -> None:
        await self._do("capture", super().capture, authorization_id)

    async def void(self, authorization_id: str) -> None:
        await self._do("void", super().void, authorization_id)

    async def _do(self, name: str, call: Callable[[str], Awaitable[None]], authorization_id: str) -> None:
        if name in self.failing:
            raise self.failing[name]
        await call(authorization_id)

    async def charged(self, order_id: str) -> list[tuple[int, int, bool]]:
        """Captured, refunded and whether it is voided, of each payment."""
        found = await self.find_payments(order_id)
        return [(each.captured_minor, each.refunded_minor, each.voided) for each in found]


def payments(provider: Provider) -> Payments:
    return Parties(Party("provider", provider))


class Rejecting:
    """A carrier that rejects every order."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        raise CarrierRejected("no such street")

    async def find_shipments(self, order_id: str) -> list[Label]:
        return []

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None: ...


def count(world: World, **on_hand: int) -> None:
    """There is so much of these products; `_` in a name stands for `-`."""
    with world.fulfillment.writer.begin() as connection:
        tx = Transaction(connection)
        set_on_hand(tx, [SetOnHand(name.replace("_", "-"), n, NOW) for name, n in on_hand.items()])
        tx.send()


def counted(world: World) -> dict[str, tuple[int, int]]:
    """On hand and reserved, by product."""
    return {row["product_id"]: (row["on_hand"], row["reserved"]) for row in world.rows(stock)}


def steps(world: World, order_id: str) -> dict[str, str]:
    """What people are told of each step, in the order of the saga."""
    with world.fulfillment.reader.connect() as connection:
        document = get_shipment(connection, order_id)
    assert document is not None
    return {each["step"]: each["state"] for each in document["steps"]}


async def ends(world: World, order_id: str, status: str) -> dict[str, Any]:
    await world.until_closed([order_id])
    order = await world.order(order_id)
    assert order["status"] == status
    assert world.rows(reservations) == []
    return order


def test_an_order_that_ships_is_charged_once_and_its_stock_is_taken(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        provider = Provider()
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place(1, **PRICED)
            async with world.working(carrier, payments=payments(provider)):
                await ends(world, order_id, "Shipped")
            assert await provider.charged(order_id) == [(599, 0, False)]
            assert counted(world) == {"p-1": (8, 0)}
            assert steps(world, order_id) == dict.fromkeys(STEPS, "done")

    asyncio.run(scenario())


def test_an_order_without_prices_is_shipped_without_a_payment(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        provider = Provider()
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place()
            async with world.working(carrier, payments=payments(provider)):
                await ends(world, order_id, "Shipped")
            assert await provider.charged(order_id) == []
            assert world.rows()[0]["ended"] is None
            assert steps(world, order_id) == dict.fromkeys(STEPS, "skipped") | {"ship": "done"}

    asyncio.run(scenario())


def test_a_rejected_order_keeps_neither_money_nor_stock(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        provider = Provider()
        count(world, p_1=10, p_2=10)
        async with world.running(), http_carrier(world.carrier_url) as inner:
            [order_id] = await world.place(1, **PRICED)
            async with world.working(Rejecting(inner), payments=payments(provider)):
                order = await ends(world, order_id, "Failed")
            assert order["fulfillment"]["errorMessage"] == "no such street"
            assert await provider.charged(order_id) == [(0, 0, True)]
            assert counted(world) == {"p-1": (10, 0), "p-2": (10, 0)}
            assert steps(world, order_id) == dict.fromkeys(STEPS, "undone") | {"capture": "skipped"}

    asyncio.run(scenario())


def test_a_declined_order_fails_and_nothing_is_shipped(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        provider = Provider(decline_rate=1.0)
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place(1, **PRICED)
            async with world.working(carrier, payments=payments(provider)):
                order = await ends(world, order_id, "Failed")
            assert order["fulfillment"]["errorMessage"].startswith("the payment was declined")
            assert await world.ledger() == []
            assert counted(world) == {"p-1": (10, 0)}
            undone = {"stock": "undone", "authorize": "undone"}
            assert steps(world, order_id) == dict.fromkeys(STEPS, "skipped") | undone

    asyncio.run(scenario())


def test_an_order_fails_for_want_of_stock_and_says_what_was_missing(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        provider = Provider()
        count(world, p_1=3, p_2=10)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(3, **PRICED)
            async with world.working(carrier, payments=payments(provider)):
                await world.until_closed(order_ids)
            orders = [await world.order(order_id) for order_id in order_ids]
            failed = [order for order in orders if order["status"] == "Failed"]
            assert sorted(order["status"] for order in orders) == ["Failed", "Failed", "Shipped"]
            for order in failed:
                told = order["fulfillment"]["errorMessage"]
                assert told == "not enough in stock: p-1 (2 ordered, 1 available)"
                assert await provider.charged(order["orderId"]) == []
                skipped = dict.fromkeys(STEPS, "skipped")
                assert steps(world, order["orderId"]) == skipped | {"stock": "undone"}
            assert counted(world) == {"p-1": (1, 0), "p-2": (9, 0)}
            assert len(await world.live_shipments()) == 1

    asyncio.run(scenario())


def test_a_cancelled_order_is_not_charged(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        provider = Provider()
        count(world, p_1=10)
        async with world.running(), http_carrier(world.carrier_url) as inner:
            [order_id] = await world.place(1, **PRICED)
            stuck = Stuck(inner, makes=True)
            async with world.working(stuck, payments=payments(provider)):
                await world.until(lambda: stuck.calls == 1, "the carrier is being called")
                cancelling(world)
                world.publish("OrderCancellationRequested", order_id)
                await world.until(lambda: world.rows()[0]["cancel_requested_at"] is not None, "it is noted")
                stuck.go.set()
                await ends(world, order_id, "Cancelled")
            assert await provider.charged(order_id) == [(0, 0, True)]
            assert await world.live_shipments() == []
            assert counted(world) == {"p-1": (10, 0)}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        ("capture", "payment"),
        ("void", "compensation"),
    ],
)
@pytest.mark.parametrize("failure", [PaymentRefused("no", status=422), PaymentDeclined("expired card")])
def test_a_payment_that_cannot_be_concluded_is_for_a_person_and_can_be_redriven(
    world: World, http_carrier: OpenCarrier, failing: str, kind: str, failure: Exception
) -> None:
    """Whatever it is: once an order has shipped or turned back, a decline is no reason to void a shipment."""

    async def scenario() -> None:
        provider = Provider()
        provider.failing[failing] = failure
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = inner if failing == "capture" else Rejecting(inner)
            [order_id] = await world.place(1, **PRICED)
            async with world.working(carrier, payments=payments(provider)) as worker:

                async def asks() -> bool:
                    return (await world.order(order_id))["attention"] is not None

                await world.until(asks, "the order asks for a person")
                [letter] = world.rows(dead_letters)
                assert letter["kind"] == kind
                assert letter["step"] == {"capture": "capture", "void": "undo authorize"}[failing]
                told = steps(world, order_id)
                assert told["capture" if failing == "capture" else "authorize"] == "parked"
                provider.failing.clear()
                answer = await worker.writer.submit_one(
                    redrive.redrive, Redrive(letter["id"], "somebody", NOW)
                )
                assert answer == (Redriven.BACK, "")
                await ends(world, order_id, "Shipped" if failing == "capture" else "Failed")

                async def asks_no_more() -> bool:
                    return not await asks()

                await world.until(asks_no_more, "nobody is asked any more")
            assert await world.live_shipments() == ([order_id] if failing == "capture" else [])
            expected = (599, 0, False) if failing == "capture" else (0, 0, True)
            assert await provider.charged(order_id) == [expected]

    asyncio.run(scenario())


def test_an_outage_of_the_provider_is_waited_for(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        provider = Provider()
        provider.failing["capture"] = PaymentUnavailable("busy", doubtful=True)
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            [order_id] = await world.place(1, **PRICED)
            async with world.working(carrier, payments=payments(provider)):
                await world.until(
                    lambda: world.rows() and world.rows()[0]["step"] == "capture", "it has shipped"
                )
                assert (await world.order(order_id))["status"] == "Shipped"
                await world.until(lambda: world.rows()[0]["waits"] > 0, "it waits")
                provider.failing.clear()
                world.execute(sa.update(shipments).values(due_at_ms=0))
                await ends(world, order_id, "Shipped")
            assert await provider.charged(order_id) == [(599, 0, False)]

    asyncio.run(scenario())
