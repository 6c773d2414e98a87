"""Status updates in bulk: a refused one harms no other, and an order never has two under way."""

import asyncio
import json
import random
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.fulfillment.conftest import OpenCarrier, World, dispatcher_of

from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.tables import dead_letters

Update = dict[str, Any]


class Between:
    """A layer between a worker and the real Order Service, for bulks of status updates."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PATCH":
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.bulk(json.loads(body)["updates"], scope, again, send)

    async def bulk(self, updates: list[Update], scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Refusing(Between):
    """Refuses every bulk that has an update of that order in it."""

    def __init__(self, app: ASGIApp, order_id: str) -> None:
        super().__init__(app)
        self._order_id = order_id
        self.refused: list[int] = []
        self.taken: list[int] = []

    async def bulk(self, updates: list[Update], scope: Scope, receive: Receive, send: Send) -> None:
        if any(update["orderId"] == self._order_id and "status" in update for update in updates):
            self.refused.append(len(updates))
            await JSONResponse({"status": 422}, 422)(scope, receive, send)
        else:
            self.taken.append(len(updates))
            await super().bulk(updates, scope, receive, send)


class Losing(Between):
    """It is slow and loses the first two answers, and then requests and answers as drawn from the seed.

    `broken` lists orders for which another update came while one was under way or had never been answered.
    """

    def __init__(self, app: ASGIApp, seed: int) -> None:
        super().__init__(app)
        self._draw = random.Random(seed)
        self._under_way: Counter[str] = Counter()
        self._unanswered: dict[str, Update] = {}
        self.bulks = 0
        self.bulks_at_once = 0
        self.bulks_at_once_most = 0
        self.lost = 0
        self.broken: list[tuple[str, Update]] = []

    async def bulk(self, updates: list[Update], scope: Scope, receive: Receive, send: Send) -> None:
        order_ids = [update["orderId"] for update in updates]
        told = [{name: update.get(name) for name in ("status", "fulfillment")} for update in updates]
        for order_id, update in zip(order_ids, told, strict=True):
            self._under_way[order_id] += 1
            if self._under_way[order_id] > 1 or self._unanswered.get(order_id, update) != update:
                self.broken.append((order_id, update))
        self.bulks += 1
        self.bulks_at_once += 1
        self.bulks_at_once_most = max(self.bulks_at_once_most, self.bulks_at_once)
        try:
            await asyncio.sleep(self._draw.uniform(0.02, 0.08))
            await self._pass_or_lose(dict(zip(order_ids, told, strict=True)), scope, receive, send)
        finally:
            self.bulks_at_once -= 1
            self._under_way.subtract(order_ids)

    async def _pass_or_lose(
        self, told: dict[str, Update], scope: Scope, receive: Receive, send: Send
    ) -> None:
        async def nowhere(_message: Message) -> None:
            return

        chance = 0.0 if self.bulks <= 2 else self._draw.random()
        if chance < 0.3:
            self.lost += 1
            self._unanswered |= told
            if chance < 0.15:  # the request arrives, but its answer does not
                await self._app(scope, receive, nowhere)
            raise ConnectionResetError
        await self._app(scope, receive, send)
        for order_id in told:
            self._unanswered.pop(order_id, None)


def simulated() -> SimulatedCarrier:
    return SimulatedCarrier(seed=0, delay_ms=(0, 20), failure_rate=0.2, error_rate=0.0)


def test_a_bulk_refused_because_of_one_update_is_halved_until_that_one_stands_alone(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            order_ids = await world.place(8)
            refused, good = order_ids[5], order_ids[:5] + order_ids[6:]
            between = world.network.app = Refusing(world.network.app, refused)
            async with world.stepping(carrier) as worker:

                async def received() -> bool:
                    await asyncio.to_thread(worker.inbox.run_once)
                    return len(world.rows()) == 8 and worker.sender.owed == 8

                await world.until(received, "all wait for their gate")
                assert await worker.sender.run_once() == 8
                assert between.refused == [8, 4, 2, 1]
                assert sorted(between.taken) == [1, 2, 4]
                assert world.states()[refused] == "parked"
                (letter,) = world.rows(dead_letters)
                assert (letter["kind"], letter["order_id"]) == ("update-refused", refused)
                assert await worker.sender.send_attentions() == 1
            assert {(await world.order(order_id))["status"] for order_id in good} == {"Processing"}
            order = await world.order(refused)
            assert (order["status"], order["attention"]["kind"]) == ("Created", "update-refused")
            async with world.working(carrier):
                await world.until_closed(good)
            assert await world.live_shipments() == sorted(good)

    asyncio.run(scenario())


def test_an_order_never_has_two_unacknowledged_updates_whatever_gets_lost(world: World) -> None:
    async def scenario() -> None:
        async with world.running():
            network = world.network.app = Losing(world.network.app, seed=5)
            async with world.working(simulated()):
                order_ids: list[str] = []
                for _ in range(20):
                    order_ids += await world.place(6)
                    await asyncio.sleep(0.05)
                await world.until_closed(order_ids)
            assert network.broken == []
            assert network.lost > 1
            assert network.bulks_at_once_most > 1, "there was more than one sender to be at odds with"
            assert world.order_statuses() == {"Shipped", "Failed"}

    asyncio.run(scenario())


def test_two_workers_in_turn_never_have_two_unacknowledged_updates_of_one_order(world: World) -> None:
    """The first worker is killed while answers to its updates are lost; the second must begin with the same
    updates."""

    async def scenario() -> None:
        async with world.running():
            network = world.network.app = Losing(world.network.app, seed=6)
            order_ids = await world.place(40)
            async with world.stepping(simulated(), name="first") as worker:

                async def received() -> bool:
                    await asyncio.to_thread(worker.inbox.run_once)
                    return len(world.rows()) == 40

                await world.until(received, "all are received")
                lost_before = network.lost
                while network.lost == lost_before:
                    await worker.sender.run_once()
                    await dispatcher_of(worker).run_once()
                    await asyncio.sleep(0.02)
            async with world.working(simulated(), name="second"):
                await world.until_closed(order_ids)
            assert network.broken == []
            assert world.order_statuses() == {"Shipped", "Failed"}

    asyncio.run(scenario())
