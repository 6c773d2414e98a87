"""A worker's lease: while it is live, no other worker may take the shipments that name its worker and epoch.

Times are by the database's clock. A lease whose end is further away than a lease can last was written before
that clock went back, and counts as expired.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection

from orderflow.database import bulk
from orderflow.database.dialects import now_ms
from orderflow.database.group_commit import GroupCommit
from orderflow.database.readiness import Probe
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.model import Owner
from orderflow.fulfillment.tables import shipments, workers
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

LEASE_MS = 6_000
HEARTBEAT_S = 2.0
FORGET_WORKER_MS = 3_600_000
ACQUIRE_PAUSE_S = 0.5
LOOP = "lease"


@dataclass(frozen=True, slots=True)
class Acquire:
    """`parties`: the carriers that this worker can ask."""

    worker_id: str
    parties: tuple[str, ...] = ()
    former_epoch: int = 0
    """The epoch that this same process last had under the name; 0 if it had none."""


@dataclass(frozen=True, slots=True)
class OfOwner:
    """A command about the lease of one owner."""

    owner: Owner


def is_live(worker_id: sa.ColumnElement[str | None], epoch: sa.ColumnElement[int | None]) -> sa.Exists:
    """Whether a lease with exactly this worker and epoch is live."""
    return (
        sa.exists()
        .where(workers.c.worker_id == worker_id, workers.c.epoch == epoch, has_not_ended())
        .correlate(shipments)
    )


def has_not_ended() -> sa.ColumnElement[bool]:
    """Whether the row of a worker shows a live lease."""
    until = workers.c.lease_until_ms
    return sa.and_(until > now_ms(), until <= now_ms() + LEASE_MS)


def acquire(tx: Transaction, commands: Sequence[Acquire]) -> list[Owner | None]:
    """Begin a new life, with an epoch that this worker never had. None if another process now lives under the
    name that this one had."""
    # Repeating this takes one more epoch, which does no harm.
    tx.connection.execute(sa.delete(workers).where(workers.c.lease_until_ms < now_ms() - FORGET_WORKER_MS))
    return [_acquire(tx, command) for command in commands]


def _acquire(tx: Transaction, command: Acquire) -> Owner | None:
    if command.former_epoch and _is_another_alive(tx, command):
        return None
    tx.write(_NEW_WORKER, [(command.worker_id,)])
    # Never an epoch it had before, even if the clock went back.
    later = sa.case((workers.c.epoch >= now_ms(), workers.c.epoch + 1), else_=now_ms())
    taken = (
        sa.update(workers)
        .where(workers.c.worker_id == command.worker_id)
        .values(
            epoch=later,
            lease_until_ms=now_ms() + LEASE_MS,
            parties=to_json(command.parties).decode(),
        )
        .returning(workers.c.epoch)
    )
    return Owner(command.worker_id, tx.connection.execute(taken).scalar_one())


def _is_another_alive(tx: Transaction, command: Acquire) -> bool:
    another = sa.select(workers.c.epoch).where(
        workers.c.worker_id == command.worker_id, workers.c.epoch != command.former_epoch, has_not_ended()
    )
    return tx.connection.execute(another).first() is not None


_NEW_WORKER = bulk.InsertAbsent(
    workers, ("worker_id",), {"epoch": sa.literal(0), "lease_until_ms": sa.literal(0)}
)


def reachable_parties(tx: Transaction) -> set[str]:
    """The carriers that live workers can ask."""
    known = sa.select(workers.c.parties).where(has_not_ended(), workers.c.parties.is_not(None))
    return {party for parties in tx.connection.execute(known).scalars() for party in from_json(parties)}


def end_all(connection: Connection) -> None:
    """End every lease, so that what an earlier process held is free at once. Only for embedded parts, where
    this process is the only worker."""
    connection.execute(sa.delete(workers))


def heartbeat(tx: Transaction, commands: Sequence[OfOwner]) -> list[bool]:
    """Prolong these leases; False for one that was lost."""
    return [_prolong(tx, command.owner) for command in commands]


def _prolong(tx: Transaction, owner: Owner) -> bool:
    prolonged = tx.connection.execute(
        sa.update(workers)
        .where(workers.c.worker_id == owner.worker_id, workers.c.epoch == owner.epoch, has_not_ended())
        .values(lease_until_ms=now_ms() + LEASE_MS)
        .returning(workers.c.epoch)
    )
    return prolonged.first() is not None


def release(tx: Transaction, commands: Sequence[OfOwner]) -> list[int]:
    """Let go of every shipment of these owners and end their leases, so that others can go on at once.

    Returns the number of shipments that each let go of.
    """
    return [_release(tx, command.owner) for command in commands]


def _release(tx: Transaction, owner: Owner) -> int:
    let_go = tx.connection.execute(
        sa.update(shipments)
        .where(
            shipments.c.due_at_ms.is_not(None),
            shipments.c.worker_id == owner.worker_id,
            shipments.c.epoch == owner.epoch,
        )
        .values(worker_id=None, epoch=None)
    )
    tx.connection.execute(
        sa.delete(workers).where(workers.c.worker_id == owner.worker_id, workers.c.epoch == owner.epoch)
    )
    return let_go.rowcount


class Lease:
    """Keeps this worker's lease, and takes a new epoch when it was lost: under another name if another
    process lives under its own by then.

    A worker that starts takes over the lease of its name, so the process that had it before must have ended.
    `on_lost` is called when a lease was lost: nothing in memory belongs to this worker then.
    """

    def __init__(
        self,
        writer: GroupCommit,
        health: Health,
        *,
        worker_id: str,
        on_lost: Callable[[], None],
        parties: Callable[[], tuple[str, ...]] = tuple,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._health = health
        self._worker_id = worker_id
        self._on_lost = on_lost
        self._parties = parties
        self._sleep = sleep
        self._owner = Owner(worker_id, 0)
        self._former_epoch = 0
        self._beginning = asyncio.Lock()
        self.loop = TaskLoop(
            LOOP,
            self.run_once,
            health=health,
            pause_s=lambda: HEARTBEAT_S if self._owner.epoch > 0 else 0.0,
        )

    @property
    def owner(self) -> Owner:
        """Who this worker is now; with epoch 0 it owns nothing. May be read from any thread."""
        return self._owner

    def probe(self, tx: Transaction, commands: Sequence[Probe]) -> list[None]:
        """Write this worker's row unchanged, which does not prolong its lease."""
        own = workers.c.worker_id == self._worker_id
        tx.connection.execute(sa.update(workers).where(own).values(epoch=workers.c.epoch))
        return [None] * len(commands)

    async def acquire(self, *, loop: str = LOOP) -> None:
        """Begin a new life, unless one has begun meanwhile. Waits for the database as long as it takes, while
        `loop` keeps reporting progress."""
        async with self._beginning:
            while self._owner.epoch == 0:
                await self._try_to_acquire(loop)

    async def _try_to_acquire(self, loop: str) -> None:
        wanted = Acquire(self._owner.worker_id, self._parties(), self._former_epoch)
        try:
            owner = await self._writer.submit_one(acquire, wanted)
        except TRANSIENT as error:
            self._health.trouble("database", str(error) or type(error).__name__)
            self._health.progress(loop)
            await self._sleep(ACQUIRE_PAUSE_S)
            return
        self._health.recovered("database")
        if owner is None:
            self._owner = Owner(f"{self._worker_id}.{uuid.uuid4().hex[:4]}", 0)
            log.warning("lease.name_taken", worker_id=wanted.worker_id, new_name=self._owner.worker_id)
            return
        self._owner = owner
        self._former_epoch = owner.epoch
        log.info("lease.acquired", worker_id=owner.worker_id, epoch=owner.epoch)

    async def renounce(self, *, loop: str = LOOP) -> None:
        """Give up everything in memory and begin a new life."""
        log.warning("lease.lost", worker_id=self._owner.worker_id, epoch=self._owner.epoch)
        self._owner = Owner(self._owner.worker_id, 0)
        self._on_lost()
        await self.acquire(loop=loop)

    async def run_once(self) -> None:
        """Send one heartbeat, or begin a life. If a loop has died or stalled, raises LoopDied or LoopStalled
        instead, so that other workers take over."""
        self._health.check()
        if self._owner.epoch == 0:
            await self.acquire()
            return
        try:
            kept = await self._writer.submit_one(heartbeat, OfOwner(self._owner))
        except TRANSIENT as error:
            self._health.trouble("database", str(error) or type(error).__name__)
            return
        self._health.recovered("database")
        if not kept:
            await self.renounce()

    async def release(self) -> int:
        """Let go of everything and return the number of shipments. Raises the database's errors."""
        owner, self._owner = self._owner, Owner(self._owner.worker_id, 0)
        return await self._writer.submit_one(release, OfOwner(owner))
