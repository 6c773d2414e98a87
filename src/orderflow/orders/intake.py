"""Intake: makes validated orders durable and answers for them.

Everything about an order (its id, time, event and key) is decided here, before it is queued for the writer.
So if a write must be tried again because the answer to its COMMIT was lost, it is exactly the same write.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple

import structlog

from orderflow.contracts.instants import utc_text
from orderflow.contracts.orders_api import OrderIn
from orderflow.database.batch import NotWritten, Outcome
from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.database.group_commit import Contended, GroupCommit, QueueFull
from orderflow.orders import commands, queries
from orderflow.orders.events import EventTooLarge, order_created, too_large
from orderflow.orders.hand_off import HandOff
from orderflow.orders.traces import traced
from orderflow.runtime.ids import new_uuid4, new_uuid7
from orderflow.web.front_door import Caller

log = structlog.get_logger()

KEY_WAIT_S = 5.0
KEY_RETRY_PAUSE_S = 0.1
"""The pause before the second try, in seconds. It doubles each time, because every try may cost the only
writer the lock time-out."""


class Accepted(NamedTuple):
    """The order as it was created, for a 201. `replayed` is True if an earlier request with its key had
    created it."""

    order_id: str
    order: str
    """As JSON."""
    replayed: bool


Refused = commands.KeyReused | commands.KeyInProgress | EventTooLarge | NotWritten


class Prepared(NamedTuple):
    """An order that can be written, as often as it takes."""

    command: commands.PlaceOrder
    order: str
    """The answer to its creation, as JSON."""


_NO_CONTENT = {"idempotency_key"}


def content_of(order: OrderIn) -> str:
    """The canonical validated order as JSON."""
    return order.model_dump_json(exclude_none=True, exclude=_NO_CONTENT)


def request_hash(content: str) -> str:
    """What two requests with one idempotency key must have in common."""
    return hashlib.sha256(content.encode()).hexdigest()


class Intake:
    """Places orders through the writer.

    `hand_off` leads to this process's relay, if it has one; `clock` gives creation times; `key_wait_s`
    bounds, in seconds, the wait for another process that holds an idempotency key.
    """

    def __init__(
        self,
        writer: GroupCommit,
        reader: Reader,
        *,
        topic: str,
        hand_off: HandOff | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        key_wait_s: float = KEY_WAIT_S,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._topic = topic
        self._clock = clock
        self._key_wait_s = key_wait_s
        self._concluding: set[asyncio.Task[None]] = set()
        self._place_orders = traced(partial(commands.place_orders, hand_off=hand_off))

    @property
    def is_full(self) -> bool:
        return self._writer.is_full

    def check_room(self) -> None:
        """Raises QueueFull if an order would be refused now, so that no work is done for it."""
        if self.is_full:
            raise QueueFull

    async def place(
        self, orders: Sequence[tuple[OrderIn, str | None]], caller: Caller
    ) -> list[Accepted | Refused]:
        """One answer per (order, idempotency key), in order, each after its COMMIT. Raises QueueFull when
        there is no room; then nothing was written."""
        prepared = [self.prepare(order, key, caller) for order, key in orders]
        pending = {index: one for index, one in enumerate(prepared) if isinstance(one, Prepared)}
        answers = await self._answers(pending, await self._write(pending))
        return [
            one if isinstance(one, EventTooLarge) else answers[index] for index, one in enumerate(prepared)
        ]

    def place_one(
        self,
        order: OrderIn,
        key: str | None,
        caller: Caller,
        done: Callable[[Accepted | Refused], None],
    ) -> EventTooLarge | None:
        """As `place`, for one order, and usually without a task of its own: `done` is called with the answer
        later, on the event loop. It is not called if this raises QueueFull or returns EventTooLarge."""
        pending = self.prepare(order, key, caller)
        if isinstance(pending, EventTooLarge):
            return pending

        def written(outcomes: list[Outcome[commands.PlaceResult]]) -> None:
            if isinstance(outcomes[0], commands.Placed):
                done(Accepted(pending.command.order_id, pending.order, replayed=False))
            else:
                task = asyncio.create_task(self._conclude(pending, outcomes[0], done))
                self._concluding.add(task)
                task.add_done_callback(self._concluding.discard)

        self._writer.submit_then(self._place_orders, [pending.command], written)
        return None

    async def _conclude(
        self,
        pending: Prepared,
        outcome: Outcome[commands.PlaceResult],
        done: Callable[[Accepted | Refused], None],
    ) -> None:
        try:
            outcomes = {0: outcome}
            if _is_held_up(outcome):
                outcomes = await self._write({0: pending})
            answer = (await self._answers({0: pending}, outcomes))[0]
        except Exception as error:
            answer = NotWritten(error)
        done(answer)

    async def _answers(
        self, pending: dict[int, Prepared], outcomes: dict[int, Outcome[commands.PlaceResult]]
    ) -> dict[int, Accepted | Refused]:
        replays = await self._replays(
            [o.order_id for o in outcomes.values() if isinstance(o, commands.Replay)]
        )
        return {index: _answer(pending[index], outcome, replays) for index, outcome in outcomes.items()}

    def prepare(self, order: OrderIn, key: str | None, caller: Caller) -> Prepared | EventTooLarge:
        """Decide everything about the order, and write nothing yet."""
        unix_ms = int(self._clock().timestamp() * 1000)
        created_at, at = _instant(unix_ms)
        order_id = new_uuid7(unix_ms)
        event_id = new_uuid4()
        content = content_of(order)
        event = order_created(
            content, event_id, order_id, at, caller.correlation_id, placed_by=caller.name, key=key
        )
        if refused := too_large(event):
            return refused
        command = commands.PlaceOrder(
            order_id,
            created_at,
            caller.correlation_id,
            caller.traceparent,
            event_id,
            self._topic,
            event,
            len(order.items),
            caller.name,
            key,
            None if key is None else request_hash(content),
        )
        return Prepared(command, queries.created_json(content, order_id, at, caller.correlation_id))

    async def _write(self, pending: dict[int, Prepared]) -> dict[int, Outcome[commands.PlaceResult]]:
        """Write the orders; returns the outcomes by index.

        If the first request with a key still runs in another process, the order is tried again for
        `key_wait_s` at most. The pauses are spent here, not in the writer, so another process that was
        stopped never stops intake.
        """
        outcomes: dict[int, Outcome[commands.PlaceResult]] = {}
        waiting: list[int] = list(pending)
        deadline = asyncio.get_running_loop().time() + self._key_wait_s
        pause_s = KEY_RETRY_PAUSE_S
        while waiting:
            try:
                results = await self._writer.submit(self._place_orders, [pending[i].command for i in waiting])
            except QueueFull:
                if outcomes:
                    break  # the others are written, so only those that still wait are refused
                raise
            outcomes.update(zip(waiting, results, strict=True))
            waiting = [i for i in waiting if _is_held_up(outcomes[i])]
            if asyncio.get_running_loop().time() > deadline:
                break
            if waiting:
                await asyncio.sleep(pause_s)
                pause_s *= 2
        return outcomes

    async def _replays(self, order_ids: list[str]) -> dict[str, str]:
        """The orders whose creation is answered again, by id. If the database became unavailable, none: the
        other orders of the request are durable, and must be answered as such."""
        if not order_ids:
            return {}
        try:
            return await self._reader.run(queries.get_created, sorted(set(order_ids)))
        except DatabaseUnavailable as error:
            log.warning("replay.unavailable", orders=len(order_ids), reason=str(error))
            return {}


@lru_cache(maxsize=64)
def _instant(unix_ms: int) -> tuple[datetime, str]:
    """The millisecond as a datetime and as text. It is cached because many orders share it."""
    at = datetime.fromtimestamp(unix_ms // 1000, UTC).replace(microsecond=unix_ms % 1000 * 1000)
    return at, utc_text(at)


def _is_held_up(outcome: Outcome[commands.PlaceResult]) -> bool:
    """Whether the order may be written once another transaction has ended."""
    if isinstance(outcome, NotWritten):
        return isinstance(outcome.cause, Contended)
    return isinstance(outcome, commands.KeyInProgress)


def _answer(
    pending: Prepared, outcome: Outcome[commands.PlaceResult], replays: dict[str, str]
) -> Accepted | Refused:
    match outcome:
        case commands.Placed():
            return Accepted(pending.command.order_id, pending.order, replayed=False)
        case commands.Replay(order_id) if order_id not in replays:
            return NotWritten(DatabaseUnavailable("the order of the first request could not be read"))
        case commands.Replay(order_id):
            return Accepted(order_id, replays[order_id], replayed=True)
        case NotWritten(Contended()) if pending.command.key is not None:
            return commands.KeyInProgress()
        case commands.KeyReused() | commands.KeyInProgress() | NotWritten():
            return outcome
