"""A worker that dies after any number of effects, however an order's life goes: the next worker ends it as if
nothing had happened.

Effects are transactions, calls of parties and status updates. The walk lets a worker have none, then one,
then two, and so on, until an order's life has no effect left to be cut off.
"""

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.fulfillment.conftest import World
from tests.fulfillment.saga_stage import Stage, on_stage
from tests.fulfillment.test_paying import count
from tests.fulfillment.unreliable_parties import Mood

from orderflow.fulfillment.tables import attentions, dead_letters, reservations, shipments, stock
from orderflow.fulfillment.until_written import TRANSIENT

EFFECTS_MIN, EFFECTS_MAX = 5, 80
ROUNDS_MAX = 30
ON_HAND = 5
QUANTITY = 2
AMOUNT_MINOR = QUANTITY * 250
WORK = ("inbox", "recovery", "dispatchers", "sender")
SEEING_TO_LETTERS = ("attentions", "redriver")

LIVES = {
    "ships": "Shipped",
    "is declined": "Failed",
    "is rejected": "Failed",
    "finds too little in stock": "Failed",
    "is cancelled": "Cancelled",
    "is cancelled during the call": "Cancelled",
    "cannot be undone at first": "Failed",
    "cannot be captured at first": "Shipped",
}
"""What happens to the order, and how it ends."""
LETTERS = {"cannot be undone at first": "compensation", "cannot be captured at first": "payment"}
"""The kinds of the dead letters, where there is one."""


class Gate:
    """Lets effects through until there were `limit`; then it is shut, and a worker has no effect any more."""

    def __init__(self, stage: Stage) -> None:
        self.limit: int | None = None
        self.passed = 0
        self.shut = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._app: ASGIApp = stage.world.network.app
        stage.world.network.app = self
        stage.sleep = self._sleep
        for line in stage.lines:
            line.before = self._before_call
        event.listen(stage.world.fulfillment.writer, "begin", self._on_begin)

    def open(self, limit: int | None) -> None:
        self.limit, self.passed = limit, 0
        self.shut.clear()

    def _lets_through(self) -> bool:
        if self.limit is None or self.passed < self.limit:
            self.passed += 1
            return True
        self._loop.call_soon_threadsafe(self.shut.set)
        return False

    def _on_begin(self, _connection: sa.Connection) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # a worker's thread
            if not self._lets_through():
                raise OperationalError("BEGIN", {}, OSError("dead"), connection_invalidated=True) from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PATCH" and not self._lets_through():
            raise ConnectionResetError
        await self._app(scope, receive, send)

    async def _before_call(self) -> None:
        if not self._lets_through():
            await asyncio.Event().wait()

    async def _sleep(self, _seconds: float) -> None:
        await (asyncio.Event().wait() if self.shut.is_set() else asyncio.sleep(0))


class Walk:
    """One life after another, each with an order and a product of its own."""

    numbers = itertools.count()

    def __init__(self, stage: Stage, life: str) -> None:
        self._stage = stage
        self._world = stage.world
        self._life = life
        self._gate = Gate(stage)
        self._order_id = ""
        self._product = ""

    async def dies_after(self, effects: int) -> bool:
        """Whether a worker that may have so many effects dies during the life. Another one ends it."""
        await self._begin()
        self._gate.open(effects)
        died = False
        for _ in range(ROUNDS_MAX):
            died = not await self._round(WORK)
            if died or await self._is_over():
                break
        if died:
            await self._stage.kill(self._stage.worker)
        self._gate.open(None)
        if died:
            await self._stage.start()
        for _ in range(ROUNDS_MAX):
            if await self._is_over() and (await self._order())["attention"] is None:
                break
            await self._round((*WORK, *SEEING_TO_LETTERS))
            self._stage.time_passes()
        await self._check()
        return died

    async def _begin(self) -> None:
        stage, life = self._stage, self._life
        self._product = f"w-{next(self.numbers)}"
        on_hand = 1 if life == "finds too little in stock" else ON_HAND
        count(self._world, **{self._product.replace("-", "_"): on_hand})
        price = {"amountMinor": AMOUNT_MINOR // QUANTITY, "currency": "EUR"}
        item = {"productId": self._product, "quantity": QUANTITY, "unitPrice": price}
        [self._order_id] = await self._world.place(1, items=[item])
        provider = stage.providers["one"]
        if life in ("is rejected", "cannot be undone at first"):
            stage.carrier.rejects.add(self._order_id)
        if life == "is declined":
            provider.declines.add(self._order_id)
        if life == "is cancelled during the call":
            stage.carrier.line.moods["create"] = Mood.LATE
        if life in LETTERS:
            provider.line.moods |= {"void": Mood.REFUSING, "capture": Mood.REFUSING}

    async def _round(self, work: tuple[str, ...]) -> bool:
        """False if the worker died."""
        for which in work:
            if not await self._step(which):
                return False
            await self._meddle()
            if self._gate.shut.is_set():
                return False
        return True

    async def _step(self, which: str) -> bool:
        step = asyncio.ensure_future(self._stage.step(which))
        shut = asyncio.ensure_future(self._gate.shut.wait())
        await asyncio.wait({step, shut}, return_when=asyncio.FIRST_COMPLETED)
        shut.cancel()
        if not self._gate.shut.is_set():
            await step
            return True
        self._stage.worker.inbox.loop.stop()
        if which != "inbox":  # its thread ends by itself
            step.cancel()
        await asyncio.wait({step})
        return False

    async def _meddle(self) -> None:
        """What buyers and persons do."""
        row, stage = self._row(), self._stage
        status = (await self._order())["status"]
        calls = stage.carrier.line.held > 0
        if status == "Processing" and (
            self._life == "is cancelled" or (self._life == "is cancelled during the call" and calls)
        ):
            await self._world.post(f"/api/orders/{self._order_id}/cancel")
        if row is None:
            return
        if row["cancel_requested_at"] is not None:
            stage.carrier.line.moods.clear()
            await stage.carrier.line.hurry()
        if row["state"] == "parked":
            await self._redrive()

    async def _redrive(self) -> None:
        [letter] = self._letters()
        assert letter["kind"] == LETTERS[self._life]
        owed = [row["order_id"] for row in self._world.rows(attentions)]
        assert self._order_id in owed or (await self._order())["attention"] is not None
        for line in self._stage.lines:
            line.moods.clear()
        with suppress(*TRANSIENT):
            await self._stage.redrive(letter["id"])

    def _letters(self) -> list[sa.RowMapping]:
        return [row for row in self._world.rows(dead_letters) if row["order_id"] == self._order_id]

    def _row(self) -> sa.RowMapping | None:
        ours = sa.select(shipments).where(shipments.c.order_id == self._order_id)
        with self._world.fulfillment.reader.connect() as connection:
            return connection.execute(ours).mappings().first()

    async def _order(self) -> dict[str, Any]:
        return await self._world.order(self._order_id)

    async def _is_over(self) -> bool:
        row = self._row()
        return row is not None and row["state"] == "closed"

    async def _check(self) -> None:
        document, row = await self._order(), self._row()
        assert row is not None
        assert (row["state"], document["status"]) == ("closed", LIVES[self._life]), dict(row)
        assert document["attention"] is None
        has_shipped = document["status"] == "Shipped"
        assert len(await self._stage.carrier.live(self._order_id)) == has_shipped
        payments = await self._stage.payments(self._order_id)
        charged = sum(each.captured_minor - each.refunded_minor for each in payments)
        assert charged == (AMOUNT_MINOR if has_shipped else 0)
        assert [each.voided for each in payments] in ([], [not has_shipped])
        [record] = [each for each in self._world.rows(stock) if each["product_id"] == self._product]
        on_hand = 1 if self._life == "finds too little in stock" else ON_HAND
        assert (record["on_hand"], record["reserved"]) == (on_hand - has_shipped * QUANTITY, 0)
        assert [each for each in self._world.rows(reservations) if each["order_id"] == self._order_id] == []
        kinds = [letter["kind"] for letter in self._letters()]
        assert kinds == [kind for life, kind in LETTERS.items() if life == self._life]


@pytest.mark.parametrize("life", LIVES)
def test_an_order_ends_as_if_its_worker_had_not_died(world: World, life: str) -> None:
    with on_stage(world) as (stage, run):

        async def walk() -> Walk:
            return Walk(stage, life)

        steps, effects, died = run(walk()), -1, True
        while died and effects < EFFECTS_MAX:
            effects += 1
            try:
                died = run(steps.dies_after(effects))
            except BaseException as error:
                error.add_note(f"the worker had {effects} effects")
                raise
        assert EFFECTS_MIN < effects < EFFECTS_MAX
