"""Long polls: requests that wait for an order to reach a status.

The changes that this process makes are told to them at once, those of other processes by the tail. If nobody
gives positions to changes, the tail has none: so the database is asked now and then as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf

from orderflow.database.audit import Act, ByHand, act
from orderflow.database.batch import Outcome
from orderflow.database.engine import DatabaseUnavailable
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import commands, traces
from orderflow.orders.audit import UPDATE_ORDERS
from orderflow.orders.model import TERMINAL
from orderflow.orders.tail import Placed
from orderflow.runtime.telemetry import tracing

WAITERS_MAX = 1_000
LOOK_PERIOD_S = 2.0
"""How often the database is asked about all waiting orders together."""


@dataclass(eq=False, slots=True)
class Waiter:
    """A request that waits for an order to reach this status, or a terminal one."""

    status: str
    version: float = inf
    """The order's version when the request has looked at it: the tail may still tell of earlier ones."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Waiters:
    """The requests that wait in this process. `statuses` asks the database for the statuses of orders."""

    statuses: Callable[[Sequence[str]], Awaitable[dict[str, str]]]
    look_period_s: float = LOOK_PERIOD_S
    _waiting: dict[str, list[Waiter]] = field(default_factory=dict[str, list[Waiter]], init=False)
    _count: int = field(default=0, init=False)
    _looking: asyncio.Task[None] | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    @contextmanager
    def expecting(self, order_id: str, status: str) -> Generator[Waiter]:
        """A waiter that has reached the status when the order has, or at once if too many requests wait
        already or none may wait any more. The order may have reached the status before: the caller must look,
        and set the version that it has seen."""
        waiter = Waiter(status)
        if self._closed or self._count >= WAITERS_MAX:
            waiter.reached.set()
            yield waiter
            return
        self._waiting.setdefault(order_id, []).append(waiter)
        self._count += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield waiter
        finally:
            self._count -= 1
            self._waiting[order_id].remove(waiter)
            if not self._waiting[order_id]:
                del self._waiting[order_id]

    def reached(self, order_id: str, status: str, version: int | None = None) -> None:
        """The order has this status: since this version or, for None, since now."""
        for waiter in self._waiting.get(order_id, ()):
            is_new = version is None or version > waiter.version
            if is_new and (status == waiter.status or status in TERMINAL):
                waiter.reached.set()

    def changed(self, changes: Sequence[Placed]) -> None:
        """For the tail, which calls this with all changes."""
        if self._waiting:
            for _, change in changes:
                self.reached(change.order_id, change.status, change.version)

    def close(self) -> None:
        """End every wait now, and let nobody wait from now on."""
        self._closed = True
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.reached.set()

    async def _look(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self.look_period_s)
                try:
                    found = await self.statuses(list(self._waiting))
                except DatabaseUnavailable:
                    continue
                for order_id, status in found.items():
                    self.reached(order_id, status)
        finally:
            self._looking = None


async def update_orders(
    writer: GroupCommit,
    waiters: Waiters,
    updates: Sequence[commands.UpdateOrder],
    *,
    by_hand: str | None,
) -> list[Outcome[commands.UpdateResult]]:
    """Write the updates, and wake the requests of this process that wait for what they change. `by_hand`
    names the action for the audit log; None is for updates by a worker, which are not recorded there. Raises
    what the writer does."""
    began_ns = tracing.now_ns()
    if by_hand is None:
        results = await writer.submit(commands.update_orders, updates)
    else:
        acts = [ByHand(update, _act(update, by_hand)) for update in updates]
        results = await writer.submit(UPDATE_ORDERS, acts)
    for update, result in zip(updates, results, strict=True):
        if isinstance(result, commands.Updated) and result.changed:
            waiters.reached(update.order_id, result.status)
    if tracing.is_on():
        for update, result in zip(updates, results, strict=True):
            traces.updated(
                update.order_id,
                update.correlation_id,
                update.traceparent,
                began_ns,
                outcome=type(result).__name__.lower(),
                status=result.status if isinstance(result, commands.Updated) else None,
            )
    return results


def _act(update: commands.UpdateOrder, action: str) -> Act:
    return act(
        update.at,
        action,
        update.order_id,
        actor=update.actor,
        correlation_id=update.correlation_id,
        reason=update.reason,
    )
