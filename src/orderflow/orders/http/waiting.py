"""Long polls: requests that wait for an order to reach a status."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from orderflow.database.audit import Act, ByHand, act
from orderflow.database.batch import Outcome
from orderflow.database.engine import DatabaseUnavailable
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import commands, traces
from orderflow.orders.audit import UPDATE_ORDERS
from orderflow.orders.model import TERMINAL
from orderflow.runtime.telemetry import tracing

WAITERS_MAX = 1_000
LOOK_PERIOD_S = 0.25
"""How often the database is asked about all waiting orders together. A change that another process made is
noticed that late."""


@dataclass(slots=True)
class Waiters:
    """The requests that wait in this process. `statuses` asks the database for the statuses of orders."""

    statuses: Callable[[Sequence[str]], Awaitable[dict[str, str]]]
    _waiting: dict[str, list[tuple[str, asyncio.Event]]] = field(
        default_factory=dict[str, list[tuple[str, asyncio.Event]]], init=False
    )
    _count: int = field(default=0, init=False)
    _looking: asyncio.Task[None] | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    @contextmanager
    def expecting(self, order_id: str, status: str) -> Generator[asyncio.Event]:
        """An event that is set when the order reaches the status or a terminal one, or at once if too many
        requests wait already or none may wait any more. The order may have reached the status before: the
        caller must look."""
        waiter = (status, asyncio.Event())
        if self._closed or self._count >= WAITERS_MAX:
            waiter[1].set()
            yield waiter[1]
            return
        self._waiting.setdefault(order_id, []).append(waiter)
        self._count += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield waiter[1]
        finally:
            self._count -= 1
            self._waiting[order_id].remove(waiter)
            if not self._waiting[order_id]:
                del self._waiting[order_id]

    def reached(self, order_id: str, status: str) -> None:
        """The order has this status now."""
        for expected, event in self._waiting.get(order_id, ()):
            if status == expected or status in TERMINAL:
                event.set()

    def close(self) -> None:
        """End every wait now, and let nobody wait from now on."""
        self._closed = True
        for waiters in self._waiting.values():
            for _, event in waiters:
                event.set()

    async def _look(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_PERIOD_S)
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
