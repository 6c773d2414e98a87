"""Wires, runs and stops the loops of the Order Service."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from orderflow.database.archive import Archive
from orderflow.database.archiving import Archiver
from orderflow.database.engine import Database, Reader
from orderflow.database.group_commit import IN_DOUBT_SECONDS_MAX, QUEUE_COMMANDS_MAX, GroupCommit
from orderflow.database.readiness import Readiness
from orderflow.messaging import Publisher
from orderflow.orders import archiving, counters, outbox
from orderflow.orders.intake import KEY_WAIT_S, Intake
from orderflow.orders.reconciler import Reconciler
from orderflow.orders.relay import Relay
from orderflow.orders.retention import WEBHOOK_LETTERS_KEPT_S, Retention
from orderflow.orders.sequencer import Sequencer
from orderflow.orders.tail import CHANGES_MAX, Tail
from orderflow.orders.webhooks import endpoints
from orderflow.orders.webhooks.deliverer import Deliverer
from orderflow.orders.webhooks.sender import Sender
from orderflow.runtime.health import Health
from orderflow.runtime.telemetry.metrics import INTAKE_QUEUE_AGE

WRITER = "orders"
INTAKE_QUEUE_SECONDS_MAX = 2.0
"""If orders wait for longer than this, the writer cannot keep up, and further orders are refused."""


class OrdersProcess:
    """What every process on the orders database has: its writer and readers, an intake, a relay, a sequencer,
    the tail of the stream, a reconciler and retention. It closes the publisher, but not the database.
    Migrations must have run.

    `topic` is the topic of the orders' events. An order from which nothing was heard for `reconcile_after_s`
    is sent again. Keys, published events and history are removed when they are as old as `keys_kept_s`,
    `events_kept_s` and `history_kept_s`, in seconds, and what is in the stream after `stream_kept_s`; None
    keeps for ever. With an `archive`, events and history are written there before, and so are whole orders
    after `orders_kept_s`. The tail keeps `tail_changes_max` changes. With `webhooks` it delivers to webhooks
    by that sender, and closes it. The process is not ready while its writer or one of the `essential` loops
    does not work.
    """

    def __init__(
        self,
        *,
        database: Database,
        publisher: Publisher,
        topic: str,
        reconcile_after_s: float,
        keys_kept_s: float,
        events_kept_s: float,
        history_kept_s: float | None = None,
        stream_kept_s: float | None = None,
        orders_kept_s: float | None = None,
        archive: Archive | None = None,
        tail_changes_max: int = CHANGES_MAX,
        webhooks: Sender | None = None,
        essential: Sequence[str] = (),
        queue_commands_max: int = QUEUE_COMMANDS_MAX,
        queue_seconds_max: float = INTAKE_QUEUE_SECONDS_MAX,
        in_doubt_s_max: float = IN_DOUBT_SECONDS_MAX,
        key_wait_s: float = KEY_WAIT_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.clock = clock
        self.topic = topic
        self.keys_kept_s = keys_kept_s
        self.orders_kept_s = orders_kept_s if archive is not None else None
        self.health = Health(essential=(f"writer-{WRITER}", *essential), clock=clock)
        self.writer = GroupCommit(
            database.writer,
            WRITER,
            queue_commands_max=queue_commands_max,
            queue_seconds_max=queue_seconds_max,
            in_doubt_s_max=in_doubt_s_max,
            health=self.health,
            observe_queue_age=INTAKE_QUEUE_AGE.observe,
        )
        self.reader = Reader(database)
        self.readiness = Readiness(self.writer, counters.probe)
        self.relay = Relay(self.writer, publisher, clock=clock)
        self.intake = Intake(
            self.writer,
            self.reader,
            topic=topic,
            hand_off=self.relay.hand_off,
            clock=clock,
            key_wait_s=key_wait_s,
        )
        self.reconciler = Reconciler(self.writer, patience_s=reconcile_after_s, clock=clock)
        self.retention = Retention(
            self.writer,
            keys_s=keys_kept_s,
            events_s=events_kept_s if archive is None else None,
            history_s=history_kept_s if archive is None else None,
            stream_s=stream_kept_s,
            webhook_letters_s=WEBHOOK_LETTERS_KEPT_S,
            clock=clock,
        )
        self.archivers: list[Archiver] = []
        if archive is not None:
            kinds = archiving.kinds(events_s=events_kept_s, history_s=history_kept_s, orders_s=orders_kept_s)
            self.archivers.append(Archiver(database, self.writer, archive, kinds, clock=clock))
        self.sequencer = Sequencer(self.writer)
        self.tail = Tail(self.reader, self.health, changes_max=tail_changes_max)
        self.deliverer = None
        if webhooks is not None:
            self.deliverer = Deliverer(self.writer, self.reader, self.tail, webhooks, clock=clock)

    def start(self) -> None:
        for part in (self.writer, self.relay, self.sequencer, self.reconciler, self.retention):
            part.start()
        for archiver in self.archivers:
            archiver.start()

    def close(self) -> None:
        """Stop in the order of the work's flow: first those that write through the writer, then the
        writer."""
        for archiver in self.archivers:
            archiver.close()
        for part in (self.retention, self.reconciler, self.sequencer, self.relay, self.writer, self.reader):
            part.close()

    @asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncGenerator[None]:
        """Run until the block ends. A loop that dies or hangs sets `stop`; then this raises LoopDied or
        LoopStalled at the end, and the process must end."""
        self.start()
        if self.deliverer is not None:
            self.deliverer.start()
        watching = asyncio.create_task(self._watch(stop))
        try:
            yield
        finally:
            stop.set()
            if self.deliverer is not None:
                await self.deliverer.close()
            await self.tail.close()
            await asyncio.to_thread(self.close)
            await asyncio.wait([watching])
        watching.result()

    async def _watch(self, stop: asyncio.Event) -> None:
        try:
            await self.health.watch(stop)
        finally:
            stop.set()


def free_leases(connection: Connection) -> None:
    """Free what the previous process on an embedded database had leased, because it has ended."""
    outbox.free_leases(connection)
    endpoints.free_leases(connection)
