"""A stage for random lives of orders: both services, one worker at a time, workers that lost their lease
without noticing it, and parties that fail. Nothing happens by itself, so a test knows when all is quiet."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.fulfillment.unreliable_parties import Line, UnreliableCarrier, UnreliableProvider
from tests.lost_answers import LostAnswers

from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.redrive import Redrive
from orderflow.fulfillment.lease import LEASE_MS
from orderflow.fulfillment.parties import Parties, Party
from orderflow.fulfillment.payments import Payment
from orderflow.fulfillment.tables import shipments, workers
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import Consumer, ConsumerState, Record

SETTLE_S_MAX = 20.0
RUN_S_MAX = 60.0

WORK = ("inbox", "recovery", "sender", "dispatchers", "attentions", "redriver")
"""The loops of a worker, one turn each."""

Run = Callable[[Coroutine[Any, Any, Any]], Any]


async def no_time(_seconds: float) -> None:
    await asyncio.sleep(0)


class Hasty:
    """A consumer that does not wait for records."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        del timeout_s
        return self._inner.poll(records_max, 0.0)

    def commit(self, records: Sequence[Record]) -> None:
        self._inner.commit(records)

    def state(self) -> ConsumerState:
        return self._inner.state()

    def close(self) -> None:
        self._inner.close()


class Stage:
    """The world with one worker at a time, and those that lost their lease without noticing it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loses: bool | None = None
        """Whether the answer to the first COMMIT of the next step is lost, and if so, if it was committed."""
        self._losing = {
            committed: LostAnswers(world.fulfillment, commits=committed, times=0)
            for committed in (True, False)
        }
        self.carrier = UnreliableCarrier()
        self.providers = {"one": UnreliableProvider(), "another": UnreliableProvider()}
        self.now_s = 0.0
        self.sleep = no_time
        self.zombies: list[FulfillmentWorker] = []
        self._started = 0
        self._group = 0
        self.worker: FulfillmentWorker

    async def start(self, provider: str = "one", *former: str) -> None:
        """Begin with a worker that has this payment provider and these former ones."""
        self._started += 1
        known = [Party(name, self.providers[name]) for name in (provider, *former)]
        self.worker = self.world.worker(
            self.carrier,
            name=f"w-{self._started}",
            consumer=Hasty(self.world.log.consumer("order-events", f"group-{self._group}")),
            payments=Parties(known[0], tuple(known[1:])),
            monotonic=lambda: self.now_s,
            sleep=self._sleep,
        )
        self.worker.flow.bind()
        self.worker.writer.start()
        await self.worker.lease.acquire()
        self._prolong_at = time.monotonic()

    async def _sleep(self, seconds: float) -> None:
        await self.sleep(seconds)

    @property
    def lines(self) -> list[Line]:
        return [self.carrier.line, *(provider.line for provider in self.providers.values())]

    async def payments(self, order_id: str) -> list[Payment]:
        """What all providers ever granted for the order."""
        return [each for p in self.providers.values() for each in await p.granted(order_id)]

    async def kill(self, worker: FulfillmentWorker) -> None:
        worker.dispatchers.abandon()
        worker.sender.abandon()
        await asyncio.to_thread(worker.writer.close)
        worker.inbox.loop.stop()
        await asyncio.to_thread(worker.inbox.loop.run)  # closes the consumer
        await worker.close()
        self._prolong(worker, -LEASE_MS)

    async def crash(self, provider: str = "one", *former: str) -> None:
        await self.kill(self.worker)
        await self.start(provider, *former)

    async def lose_lease(self) -> None:
        """Another worker takes over, while this one goes on as if nothing had happened."""
        self._prolong(self.worker, -LEASE_MS)
        self.zombies.append(self.worker)
        self._group += 1
        await self.start()

    def _prolong(self, worker: FulfillmentWorker, by_ms: int) -> None:
        owner = worker.lease.owner
        own = sa.and_(workers.c.worker_id == owner.worker_id, workers.c.epoch == owner.epoch)
        until = int(time.time() * 1000) + by_ms
        self.world.execute(sa.update(workers).where(own).values(lease_until_ms=until))

    async def step(self, which: str, worker: FulfillmentWorker | None = None) -> None:
        if time.monotonic() > self._prolong_at:
            self._prolong(self.worker, LEASE_MS - 500)
            self._prolong_at = time.monotonic() + LEASE_MS / 4_000
        await self.published()
        if self.loses is not None:
            self._losing[self.loses].times = 1
        try:
            await self._turn(which, worker or self.worker)
            await self.settle()
        finally:
            self.loses = None
            for losing in self._losing.values():
                losing.times = 0

    async def _turn(self, which: str, acting: FulfillmentWorker) -> None:
        with suppress(*TRANSIENT):
            await self._turn_once(which, acting)

    async def _turn_once(self, which: str, acting: FulfillmentWorker) -> None:
        match which:
            case "inbox":
                await asyncio.to_thread(acting.inbox.run_once)
            case "sender":
                await acting.sender.run_once()
            case "dispatchers":
                for dispatcher in acting.dispatchers:
                    await dispatcher.run_once()
            case "recovery":
                await acting.recovery.run_once()
            case "attentions":
                await acting.sender.send_attentions()
            case _:
                await acting.redriver.run_once()

    async def round(self) -> None:
        for which in WORK:
            await self.step(which)

    async def published(self) -> None:
        """The relay has nothing to do."""
        wanted = sa.text("SELECT count(*) FROM outbox WHERE published_at IS NULL")

        def backlog() -> int:
            with self.world.orders.reader.connect() as connection:
                return connection.execute(wanted).scalar_one()

        await self.world.until(lambda: backlog() == 0, "all events are published")

    async def settle(self) -> None:
        """Whatever can end without anybody's help has ended."""
        deadline = time.monotonic() + SETTLE_S_MAX
        calm = 0
        while calm < 3:
            everyone = [self.worker, *self.zombies]
            waiting = sum(each.dispatchers.in_flight for each in everyone)
            calm = calm + 1 if waiting <= sum(line.held for line in self.lines) else 0
            assert time.monotonic() < deadline, f"calls do not end: {self.world.rows()}"
            await asyncio.sleep(0 if calm else 0.001)

    def time_passes(self) -> None:
        """Every wait is over, and every circuit may be probed."""
        self.now_s += 3_600
        due = sa.update(shipments).where(shipments.c.due_at_ms.is_not(None), shipments.c.worker_id.is_(None))
        self.world.execute(due.values(due_at_ms=1))

    async def hurry(self) -> None:
        for line in self.lines:
            await line.hurry()
        await self.settle()

    async def all_is_well(self) -> None:
        for line in self.lines:
            line.moods.clear()
        self.world.network.down = self.world.network.lose_answers = False
        self.loses = None
        await self.hurry()
        for zombie in self.zombies:
            await self.kill(zombie)
        self.zombies.clear()
        await self.crash("one", "another")

    async def discard(self, letter_id: str) -> None:
        for line in self.lines:
            line.is_patient = False
        try:
            await self.worker.discarder.discard(
                letter_id, actor="somebody", reason="given up", correlation_id="c-1"
            )
        finally:
            for line in self.lines:
                line.is_patient = True

    async def redrive(self, letter_id: str) -> None:
        command = Redrive(letter_id, "somebody", datetime.now(UTC))
        await self.worker.writer.submit_one(redrive.redrive, command)


@contextmanager
def on_stage(world: World) -> Generator[tuple[Stage, Run]]:
    """The world runs in a thread of its own; the second one runs a coroutine there."""
    loop = asyncio.new_event_loop()
    ready: Future[Stage] = Future()
    over = asyncio.Event()

    async def live() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(world.running())
            stage = Stage(world)
            await stage.start()
            ready.set_result(stage)
            await over.wait()
            await stage.all_is_well()
            await stage.kill(stage.worker)

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(RUN_S_MAX)

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    try:
        yield ready.result(RUN_S_MAX), run
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
