"""Intake: makes validated orders durable and answers for them.

Everything about an order (its id, time, event and key) is decided here, before it is queued for the writer.
So if a write must be tried again because the answer to its COMMIT was lost, it is exactly the same write.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple

import structlog

from orderflow.contracts.instants import utc_text
from orderflow.contracts.order_events import EVENT_BYTES_MAX
from orderflow.contracts.orders_api import OrderIn
from orderflow.database.engine import DatabaseUnavailable, Reader, reason
from orderflow.database.group_commit import Contended, GroupCommit, OutcomeUnknown, QueueFull
from orderflow.orders import commands, queries
from orderflow.orders.events import EventTooLarge, order_created
from orderflow.orders.hand_off import HandOff
from orderflow.runtime.ids import new_uuid4, new_uuid7
from orderflow.web.front_door import Caller
from orderflow.web.problems import ProblemError

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


class _Pending(NamedTuple):
    command: commands.PlaceOrder
    order: str
    """The answer to its creation, as JSON."""


_NO_CONTENT = {"idempotency_key"}


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
        self._place_orders = partial(commands.place_orders, hand_off=hand_off)

    @property
    def is_full(self) -> bool:
        return self._writer.is_full

    def check_room(self) -> None:
        """Raises ProblemError 503 if an order would be refused now, so that no work is done for it."""
        if self.is_full:
            raise _overloaded()

    async def place(
        self, orders: Sequence[tuple[OrderIn, str | None]], caller: Caller
    ) -> list[Accepted | ProblemError]:
        """One answer per (order, idempotency key), in order, each after its COMMIT. Raises ProblemError 503
        when the queue is full."""
        answers: list[Accepted | ProblemError | None] = [None] * len(orders)
        pending: dict[int, _Pending] = {}
        for index, (order, key) in enumerate(orders):
            try:
                pending[index] = self._prepare(order, key, caller)
            except EventTooLarge as error:
                answers[index] = ProblemError(
                    413, f"The order's event would have {error} bytes; at most {EVENT_BYTES_MAX} are taken."
                )
        for index, answer in (await self._answers(pending, await self._write(pending))).items():
            answers[index] = answer
        return [answer for answer in answers if answer is not None]

    def place_one(
        self,
        order: OrderIn,
        key: str | None,
        caller: Caller,
        done: Callable[[Accepted | ProblemError], None],
    ) -> None:
        """As `place`, for one order, and usually without a task of its own: `done` is called with the answer
        later, on the event loop. Raises QueueFull or EventTooLarge; then `done` is not called."""
        pending = self._prepare(order, key, caller)

        def written(outcomes: list[Any]) -> None:
            if isinstance(outcomes[0], commands.Placed):
                done(Accepted(pending.command.order_id, pending.order, replayed=False))
            else:
                task = asyncio.create_task(self._conclude(pending, outcomes[0], done))
                self._concluding.add(task)
                task.add_done_callback(self._concluding.discard)

        self._writer.submit_then(self._place_orders, [pending.command], written)

    async def _conclude(
        self, pending: _Pending, outcome: object, done: Callable[[Accepted | ProblemError], None]
    ) -> None:
        try:
            outcomes = {0: outcome}
            if isinstance(outcome, Contended):
                outcomes = await self._write({0: pending})
            answer = (await self._answers({0: pending}, outcomes))[0]
        except ProblemError as problem:
            answer = problem
        except Exception as error:
            answer = write_problem(error)
        done(answer)

    async def _answers(
        self, pending: dict[int, _Pending], outcomes: dict[int, Any]
    ) -> dict[int, Accepted | ProblemError]:
        replays = await self._replays(
            [o.order_id for o in outcomes.values() if isinstance(o, commands.Replay)]
        )
        return {index: _answer(pending[index], outcome, replays) for index, outcome in outcomes.items()}

    def _prepare(self, order: OrderIn, key: str | None, caller: Caller) -> _Pending:
        unix_ms = int(self._clock().timestamp() * 1000)
        created_at, at = _instant(unix_ms)
        order_id = new_uuid7(unix_ms)
        event_id = new_uuid4()
        content = order.model_dump_json(exclude_none=True, exclude=_NO_CONTENT)
        command = commands.PlaceOrder(
            order_id,
            created_at,
            caller.correlation_id,
            caller.traceparent,
            event_id,
            self._topic,
            order_created(content, event_id, order_id, at, caller.correlation_id),
            len(order.items),
            caller.name,
            key,
            None if key is None else hashlib.sha256(content.encode()).hexdigest(),
        )
        return _Pending(command, queries.created_json(content, order_id, at, caller.correlation_id))

    async def _write(self, pending: dict[int, _Pending]) -> dict[int, Any]:
        """Write the orders; returns the outcomes by index.

        If the first request with a key still runs in another process, the order is tried again for
        `key_wait_s` at most. The pauses are spent here, not in the writer, so another process that was
        stopped never stops intake.
        """
        outcomes: dict[int, Any] = {}
        waiting: list[int] = list(pending)
        deadline = asyncio.get_running_loop().time() + self._key_wait_s
        pause_s = KEY_RETRY_PAUSE_S
        while waiting:
            try:
                results = await self._writer.submit(self._place_orders, [pending[i].command for i in waiting])
            except QueueFull:
                if outcomes:
                    break  # the others are written, so only those that still wait are refused
                raise _overloaded() from None
            outcomes.update(zip(waiting, results, strict=True))
            waiting = [i for i in waiting if isinstance(outcomes[i], Contended)]
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


def _answer(pending: _Pending, outcome: object, replays: dict[str, str]) -> Accepted | ProblemError:
    match outcome:
        case commands.Placed():
            return Accepted(pending.command.order_id, pending.order, replayed=False)
        case commands.Replay(order_id) if order_id not in replays:
            return database_unavailable()
        case commands.Replay(order_id):
            return Accepted(order_id, replays[order_id], replayed=True)
        case commands.KeyReused():
            return ProblemError(
                422,
                "This idempotency key was used with another order. Use a new key for a new order.",
                kind="idempotency-key-reused",
                title="Idempotency key reused",
            )
        case Contended() if pending.command.key is not None:
            return ProblemError(
                409,
                "The first request with this idempotency key is still running.",
                kind="idempotency-key-in-progress",
                title="Request in progress",
                headers={"Retry-After": "1"},
            )
        case _:
            return write_problem(outcome)


def _overloaded() -> ProblemError:
    return ProblemError(
        503,
        "The intake queue is full; nothing was written. Try again shortly.",
        kind="overloaded",
        headers={"Retry-After": "1"},
    )


def write_problem(outcome: object) -> ProblemError:
    """The problem for a command whose transaction failed."""
    match outcome:
        case OutcomeUnknown():
            return ProblemError(
                503,
                "The database did not say whether it committed. Repeat with the same idempotency key.",
                kind="outcome-unknown",
                title="Outcome unknown",
                headers={"Retry-After": "2"},
            )
        case DatabaseUnavailable() | Contended():
            return database_unavailable()
        case Exception():
            # The driver's full text may quote the row.
            log.error("write.failed", error=type(outcome).__name__, reason=reason(outcome))
            return ProblemError(500, "Something went wrong here; nothing was written.")
        case _:
            raise AssertionError(f"no answer for {type(outcome).__name__}")


def database_unavailable() -> ProblemError:
    return ProblemError(
        503,
        "The database does not answer; nothing was written. Try again shortly.",
        kind="database-unavailable",
        headers={"Retry-After": "2"},
    )
