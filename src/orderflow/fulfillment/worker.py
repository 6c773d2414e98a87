"""Wires, runs and drains the loops of the Fulfillment Service."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from orderflow.database.engine import Database
from orderflow.database.group_commit import GroupCommit
from orderflow.database.readiness import Readiness
from orderflow.fulfillment import inbox, lease
from orderflow.fulfillment.archiving import Archived, archivers
from orderflow.fulfillment.breaker import Circuit
from orderflow.fulfillment.capacity import Capacity
from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.dead_letters.copies import DeadLetterCopier
from orderflow.fulfillment.dead_letters.discarder import Discarder
from orderflow.fulfillment.dead_letters.redriver import Redriver
from orderflow.fulfillment.dispatchers import Pace
from orderflow.fulfillment.flow import Flow
from orderflow.fulfillment.inbox import Inbox
from orderflow.fulfillment.lease import Lease
from orderflow.fulfillment.orders_client import OrdersClient
from orderflow.fulfillment.payments import Payments
from orderflow.fulfillment.recorder import Recorder
from orderflow.fulfillment.recovery import Recovery
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.fulfillment.waiting import Known
from orderflow.messaging import Consumer, ConsumerState, Publisher
from orderflow.runtime.health import STALL_S_MAX, Degraded, Health
from orderflow.runtime.loop import TaskLoop
from orderflow.runtime.tls import ClientTls

log = structlog.get_logger()

WAITING_SHIPMENTS_MAX = 2_000
"""Shipments in memory beyond those in flight: the bulk that is being sent, and the next."""

WRITER = "fulfillment"
DRAIN_S_MAX = 7.0
DRAIN_POLL_S = 0.02
RELEASE_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What health shows."""

    worker_id: str
    epoch: int
    consumer: ConsumerState
    in_flight: int
    held: int
    owed: int
    """Status updates that the Order Service has not taken yet."""
    degraded: list[Degraded]
    disabled: str | None
    """Why the worker cannot do its job; None while it can."""
    circuits: dict[str, Circuit]
    skipped_events: dict[str, int]
    """How many events had a type without a handler, by type, since the start."""


class FulfillmentWorker:
    """One worker on one database. It closes its consumer, but neither the publisher for dead letters nor the
    carriers. Migrations must have run. `worker_id` is unique among live workers.

    Without `archived`, closed shipments are kept for ever.

    `clock` is wall time, for what people read and for the age of the carrier's keys. Leases and due times go
    by the database's clock.
    """

    def __init__(
        self,
        *,
        database: Database,
        consumer: Consumer,
        publisher: Publisher,
        dead_letter_topic: str,
        carriers: Carriers,
        payments: Payments | None = None,
        orders_url: str,
        api_key: str | None = None,
        tls: ClientTls | None = None,
        in_flight_max: int,
        key_lifetime: timedelta = timedelta(hours=24),
        archived: Archived | None = None,
        worker_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        stall_s_max: float = STALL_S_MAX,
    ) -> None:
        self._consumer = consumer
        held_max = in_flight_max + WAITING_SHIPMENTS_MAX
        self.health = Health(
            essential=(f"writer-{WRITER}", inbox.LOOP, lease.LOOP),
            clock=clock,
            monotonic=monotonic,
            stall_s_max=stall_s_max,
        )
        # Every held shipment has at most one write under way, so there is always room for it.
        self.writer = GroupCommit(
            database.writer, WRITER, queue_commands_max=2 * held_max + 10_000, health=self.health
        )
        self.lease = Lease(
            self.writer,
            self.health,
            worker_id=worker_id,
            on_lost=self._abandon,
            parties=lambda: self.dispatchers.parties,
            sleep=sleep,
        )
        self.readiness = Readiness(self.writer, self.lease.probe)
        self.capacity = Capacity(held_max, owner=lambda: self.lease.owner)
        self._client = OrdersClient(orders_url, api_key=api_key, tls=tls, clock=clock)
        recorder = Recorder(self.writer, self.capacity, self.health, clock=clock, sleep=sleep)
        self.flow = Flow(
            carriers=carriers,
            payments=payments,
            client=self._client,
            writer=self.writer,
            recorder=recorder,
            capacity=self.capacity,
            health=self.health,
            pace=Pace(in_flight_max, key_lifetime, clock, monotonic, sleep),
        )
        self.dispatchers, self.sender = self.flow.dispatchers, self.flow.sender
        writer, health = self.writer, self.health
        self.recovery = Recovery(
            writer, self.lease, self.capacity, recorder, health, carrier=carriers.current.name, flow=self.flow
        )
        self.inbox = Inbox(
            consumer, self.writer, self.capacity, self.health, lease=self.lease, flow=self.flow, clock=clock
        )
        self.copier = DeadLetterCopier(self.writer, publisher, self.health, topic=dead_letter_topic)
        self.redriver = Redriver(self.writer, self.health, clock=clock)
        self.archivers = archivers(database, self.writer, archived, clock)
        self.discarder = Discarder(self.writer, carriers, self._client, key_lifetime, clock)

    def status(self) -> WorkerStatus:
        owner = self.lease.owner
        return WorkerStatus(
            worker_id=owner.worker_id,
            epoch=owner.epoch,
            consumer=self._consumer.state(),
            in_flight=self.dispatchers.in_flight,
            held=len(self.capacity),
            owed=self.sender.owed,
            degraded=self.health.degraded() + self.dispatchers.troubles,
            disabled=self.health.disabled(),
            circuits=self.flow.circuits,
            skipped_events=self.inbox.skipped.counts(),
        )

    def known(self) -> Known:
        """What the documents of shipments say besides their rows."""
        return Known(self.lease.owner, self.flow.probes_s, self.dispatchers.queued)

    def _abandon(self) -> None:
        self.flow.abandon()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain within 10 s. Raises LoopDied or LoopStalled, after which the
        process must end."""
        self.flow.bind()
        self.writer.start()
        self.inbox.loop.start()
        for archiver in self.archivers:
            archiver.start()
        for loop in self._loops:
            loop.start()
        try:
            await self.health.watch(stop)
            self.inbox.loop.stop()
            await self._drain()
        finally:
            self.inbox.loop.stop()
            for archiver in self.archivers:
                await asyncio.to_thread(archiver.close)
            for loop in self._loops:
                await loop.stop()
            await self._let_go()

    @property
    def _loops(self) -> list[TaskLoop]:
        parts = (self.lease, self.recovery, *self.dispatchers, self.copier, self.redriver)
        return [*(part.loop for part in parts), *self.sender.loops]

    async def _drain(self) -> None:
        """Finish what is in flight. Updates that the Order Service cannot take now stay for the next
        worker."""
        self.dispatchers.drain()
        deadline = asyncio.get_running_loop().time() + DRAIN_S_MAX
        while asyncio.get_running_loop().time() < deadline:
            owed = 0 if self.health.is_degraded("orders") else self.sender.owed
            if self.dispatchers.in_flight == 0 and owed == 0:
                return
            await asyncio.sleep(DRAIN_POLL_S)

    async def close(self) -> None:
        """Close the connections to the Order Service."""
        await self._client.close()

    async def _let_go(self) -> None:
        self.dispatchers.abandon()
        await asyncio.to_thread(self.inbox.loop.join, RELEASE_S_MAX)
        try:
            async with asyncio.timeout(RELEASE_S_MAX):
                released = await self.lease.release()
            log.info("worker.drained", worker_id=self.lease.owner.worker_id, released=released)
        except (*TRANSIENT, TimeoutError) as error:
            # The lease ends by itself.
            log.warning("worker.not_released", worker_id=self.lease.owner.worker_id, reason=str(error))
        await self.close()
        await asyncio.wait(
            [asyncio.ensure_future(asyncio.to_thread(self.writer.close))], timeout=RELEASE_S_MAX
        )
