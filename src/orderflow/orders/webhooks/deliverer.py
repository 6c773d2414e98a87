"""The loop that delivers: each endpoint by one process at a time, and each order's messages one after the
other.

The tail tells of new changes, once for all endpoints of the process; what waits is looked at when it is due.
A round takes some messages of an endpoint, sends them, and records what became of them. A message is not sent
before the earlier ones of its order were taken or are dead letters. If this process dies between the sending
and the recording, the same messages are sent again, with the same ids.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

import structlog

from orderflow.database.batch import NotWritten, Outcome, UseCase
from orderflow.database.engine import DatabaseUnavailable, Reader, reason
from orderflow.database.group_commit import Contended, GroupCommit, QueueFull
from orderflow.orders import stream
from orderflow.orders.stream import Page
from orderflow.orders.tail import Subscription, Tail
from orderflow.orders.webhooks import queue
from orderflow.orders.webhooks.endpoints import LEASE_MS, Claim, Endpoint, Release, claim, release
from orderflow.orders.webhooks.queue import WAITING_MAX, Message, Record, record
from orderflow.orders.webhooks.rounds import Chain, Round, after, chains_of, missed_before, plan
from orderflow.orders.webhooks.sender import Attempt, Sender
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.ids import new_uuid4
from orderflow.runtime.loop import TaskLoop
from orderflow.runtime.telemetry.metrics import WEBHOOK_ATTEMPTS

log = structlog.get_logger()

C = TypeVar("C")
R = TypeVar("R")

LOOP = "webhooks"
SCHEDULE_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 14_400.0, 43_200.0)
"""The wait after each failed attempt, 17 hours together. A message that fails once more is a dead letter."""
CLAIM_PAUSE_S = 2.0
REST_S = 0.5
"""Between the beginnings of two rounds, unless there is more to send than a round takes."""
BACK_OFF_S_MAX = 60.0
MESSAGES_A_ROUND_MAX = 100
CHANGES_A_ROUND_MAX = 1_000
"""How many are looked at in memory, of which few may be wanted."""
STREAM_ROWS_A_ROUND_MAX = 20
"""How many are read from the database for an endpoint that is behind the tail."""
IN_FLIGHT_MAX = 10
"""Of one endpoint."""
FAILED_A_ROUND_MAX = 10
"""After so many failures and no success a round sends nothing more."""
RECORD_PAUSE_S = 0.5
CLOSE_S_MAX = 5.0


@dataclass(slots=True)
class _Delivery:
    """An endpoint that this process has. A round begins when there are changes, or when it is time to look at
    the messages that wait, but never before the rest ends. `failures` counts the rounds in a row in which
    nothing was taken."""

    endpoint: Endpoint
    secrets: list[str]
    leased_until_s: float
    looks_at_s: float = 0.0
    """Infinity while nothing waits."""
    found_due: bool = False
    """Whether others have made something due since the round began."""
    is_full: bool = False
    """Whether WAITING_MAX messages wait: changes are no news until there are fewer."""
    rests_until_s: float = 0.0
    failures: int = 0
    is_gone: bool = False
    """Whether it was removed, or another process has it: the round that is under way sends nothing more."""
    round: asyncio.Task[None] | None = None


class Deliverer:
    """One loop, with a task for each endpoint that is in a round. `schedule_s` are the waits between
    attempts; `clock` gives the time for people and retries, `monotonic` gives seconds."""

    def __init__(
        self,
        writer: GroupCommit,
        reader: Reader,
        tail: Tail,
        sender: Sender,
        *,
        schedule_s: Sequence[float] = SCHEDULE_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._tail = tail
        self._following = AsyncExitStack()
        self._subscription: Subscription | None = None
        self._sender = sender
        self._schedule_s = schedule_s
        self._clock = clock
        self._monotonic = monotonic
        self._owner = new_uuid4()
        self._claim_at_s = 0.0
        self._mine: dict[str, _Delivery] = {}
        self._is_closing = False
        self.loop = TaskLoop(
            LOOP, self.run_once, health=writer.health, pause_s=self._pause_s, on_failure="try again"
        )
        tail.observe(lambda _changes: self.loop.wake())

    def start(self) -> None:
        self.loop.start()

    async def close(self) -> None:
        """Send nothing more, record what was sent, and free the endpoints for another process."""
        self._is_closing = True
        await self.loop.stop()
        await self._following.aclose()
        rounds = [each.round for each in self._mine.values() if each.round is not None]
        if rounds:
            _, late = await asyncio.wait(rounds, timeout=CLOSE_S_MAX)
            for each in late:
                each.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
        await self._write(release, Release(self._owner), later=True)
        await self._sender.close()

    def _pause_s(self) -> float:
        due = [
            self._due_at_s(each) for each in self._mine.values() if each.round is None or each.round.done()
        ]
        return min([self._claim_at_s, *due]) - self._monotonic()

    def _due_at_s(self, delivery: _Delivery) -> float:
        has_news = self._subscription is not None and delivery.endpoint.position < self._tail.next
        is_due = has_news and not delivery.is_full
        return max(delivery.rests_until_s, 0.0 if is_due else delivery.looks_at_s)

    async def run_once(self) -> None:
        """Renew the leases if it is time, and begin a round at each endpoint that is due. Raises what went
        wrong in a round."""
        if self._monotonic() >= self._claim_at_s:
            await self._claim()
        await self._follow()
        for delivery in list(self._mine.values()):
            if delivery.round is not None and delivery.round.done():
                done, delivery.round = delivery.round, None
                if delivery.is_gone:
                    self._mine.pop(delivery.endpoint.endpoint_id, None)
                done.result()
            is_free = delivery.round is None and not delivery.is_gone
            if is_free and self._monotonic() >= self._due_at_s(delivery):
                delivery.round = asyncio.create_task(self._round(delivery))
                delivery.round.add_done_callback(lambda _: self.loop.wake())

    async def _claim(self) -> None:
        began_s = self._monotonic()
        self._claim_at_s = began_s + CLAIM_PAUSE_S
        now = self._clock()
        found = await self._write(claim, Claim(self._owner, now), later=True)
        if found is None:
            return
        leased_until_s = began_s + LEASE_MS / 1000
        for endpoint in found:
            known = self._mine.get(endpoint.endpoint_id)
            if known is None:
                self._mine[endpoint.endpoint_id] = _Delivery(
                    endpoint, endpoint.secrets_at(now), leased_until_s
                )
            else:
                known.secrets, known.leased_until_s = endpoint.secrets_at(now), leased_until_s
                known.is_gone = False
                if known.round is None:
                    known.endpoint = endpoint
        gone = self._mine.keys() - {endpoint.endpoint_id for endpoint in found}
        for endpoint_id in gone:
            if self._mine[endpoint_id].round is None:
                del self._mine[endpoint_id]
            else:
                self._mine[endpoint_id].is_gone = True
        await self._look_for_due()

    async def _look_for_due(self) -> None:
        """Find what others have made due since, by a redrive."""
        if not self._mine:
            return
        try:
            due = await self._reader.run(queue.due, self._owner, self._clock())
        except DatabaseUnavailable:
            return
        for endpoint_id in self._mine.keys() & due:
            delivery = self._mine[endpoint_id]
            delivery.looks_at_s, delivery.found_due = 0.0, True

    async def _follow(self) -> None:
        """Subscribe to the tail while this process has endpoints."""
        subscription = self._subscription
        if subscription is not None and (subscription.is_lost or not self._mine):
            self._subscription = None
            await self._following.aclose()
        if self._subscription is None and self._mine:
            with suppress(DatabaseUnavailable):
                self._subscription = await self._following.enter_async_context(self._tail.subscribed())

    async def _round(self, delivery: _Delivery) -> None:
        """Send what is due at one endpoint, and record it."""
        endpoint = delivery.endpoint
        delivery.rests_until_s = self._monotonic() + REST_S
        delivery.found_due = False
        try:
            waiting = await self._waiting(delivery)
            page = await self._page(endpoint, waiting)
        except DatabaseUnavailable:
            return
        size = 1 if delivery.failures else MESSAGES_A_ROUND_MAX
        planned = plan(endpoint, waiting, page, self._clock(), size)
        missed = missed_before(endpoint, page)
        if missed:
            log.error("webhooks.missed", endpoint=endpoint.endpoint_id, changes=missed)
        if not planned.chains and not planned.blocked and planned.position == endpoint.position:
            self._look_again(delivery, waiting)
            return
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        try:
            await asyncio.gather(*(self._send(delivery, planned, chain, slots) for chain in planned.chains))
        except asyncio.CancelledError:
            # What was taken until now is not sent again because of a receiver that hangs.
            await self._record(delivery, planned, missed)
            raise
        crash_point("webhooks.sent")
        await self._record(delivery, planned, missed)

    async def _waiting(self, delivery: _Delivery) -> list[Message]:
        if math.isinf(delivery.looks_at_s):
            return []
        found = await self._reader.run(queue.waiting, delivery.endpoint.endpoint_id)
        now = self._clock()
        return [self._in_time(message, now) for message in found]

    def _in_time(self, message: Message, now: datetime) -> Message:
        """The message, which is due at once if it would wait for longer than it has to: a clock was set
        back."""
        has_wait = 0 < message.attempts <= len(self._schedule_s)
        wait_s = self._schedule_s[message.attempts - 1] if has_wait else 0.0
        is_late = message.due_at > now + timedelta(seconds=wait_s)
        return message._replace(due_at=now) if is_late else message

    async def _page(self, endpoint: Endpoint, waiting: Sequence[Message]) -> Page:
        """The next changes; none of them while WAITING_MAX messages wait."""
        if len(waiting) >= WAITING_MAX:
            return Page([], more=False)
        position, subscription = endpoint.position, self._subscription
        if subscription is None or subscription.is_lost or not self._tail.holds(position):
            return await self._reader.run(stream.read, position, rows_max=STREAM_ROWS_A_ROUND_MAX)
        changes = list(islice(self._tail.since(position), CHANGES_A_ROUND_MAX))
        return Page(changes, more=len(changes) == CHANGES_A_ROUND_MAX)

    async def _send(
        self, delivery: _Delivery, planned: Round, chain: Chain, slots: asyncio.Semaphore
    ) -> None:
        """Send the messages of one order, until one of them is not taken."""
        url = delivery.endpoint.url
        for message in chain:
            async with slots:
                if not self._may_send(delivery, planned):
                    return
                attempt = await self._sender.send(url, delivery.secrets, message.id, message.payload)
            planned.attempts[message.position] = attempt
            if not attempt.delivered:
                return

    def _may_send(self, delivery: _Delivery, planned: Round) -> bool:
        """Whether an attempt would end within the lease, and the receiver has not failed all others."""
        ends_s = self._monotonic() + self._sender.timeout_s
        gives_up = not planned.taken and planned.failed >= FAILED_A_ROUND_MAX
        stops = self._is_closing or delivery.is_gone or gives_up
        return not stops and ends_s <= delivery.leased_until_s

    async def _record(self, delivery: _Delivery, planned: Round, missed: int) -> None:
        now = self._clock()
        endpoint = after(delivery.endpoint, planned, missed, now)
        fresh = {message.position for message in planned.fresh}
        sent = [message for chain in planned.chains for message in chain]
        taken = [m.position for m in sent if planned.is_taken(m)]
        kept = [
            self._tried(message, planned.attempts.get(message.position), now)
            for message in sent
            if not planned.is_taken(message)
            and (message.position in planned.attempts or message.position in fresh)
        ]
        command = Record(
            endpoint.endpoint_id,
            self._owner,
            delivery.endpoint.position,
            endpoint.position,
            endpoint.missed,
            endpoint.failing_since,
            endpoint.last_error,
            [position for position in taken if position not in fresh],
            [*kept, *planned.blocked],
        )
        # What was sent is not sent again by us, so this is tried for as long as the lease lasts.
        while (is_written := await self._write(record, command)) is None:
            if self._is_closing or self._monotonic() >= delivery.leased_until_s:
                break
            await asyncio.sleep(RECORD_PAUSE_S)
        if not is_written:
            self._mine.pop(endpoint.endpoint_id, None)
            return
        delivery.endpoint = endpoint
        self._count(planned, kept, endpoint)
        self._look_again(delivery, planned.left(kept))
        self._rest(delivery, planned)

    def _tried(self, message: Message, attempt: Attempt | None, now: datetime) -> Message:
        """The message after an attempt that failed, or after none."""
        if attempt is None:
            return message
        attempts = message.attempts + 1
        if attempts > len(self._schedule_s):
            return message._replace(attempts=attempts, reason=attempt.detail, dead_at=now)
        due_at = now + timedelta(seconds=self._schedule_s[attempts - 1])
        return message._replace(attempts=attempts, reason=attempt.detail, due_at=due_at)

    def _count(self, planned: Round, kept: Sequence[Message], endpoint: Endpoint) -> None:
        dead = [message for message in kept if message.dead_at is not None]
        WEBHOOK_ATTEMPTS.labels("delivered").inc(planned.taken)
        WEBHOOK_ATTEMPTS.labels("failed").inc(planned.failed)
        for message in dead:
            log.error(
                "webhooks.dead_letter",
                endpoint=endpoint.endpoint_id,
                order_id=message.order_id,
                reason=message.reason,
            )

    def _look_again(self, delivery: _Delivery, waiting: Iterable[Message]) -> None:
        """Look at what waits when the first of it is due, or what others have made due meanwhile."""
        chains = chains_of(waiting)
        due = [chain[0].due_at for chain in chains]
        wait_s = (min(due) - self._clock()).total_seconds() if due else math.inf
        delivery.looks_at_s = 0.0 if delivery.found_due else self._monotonic() + max(0.0, wait_s)
        delivery.is_full = sum(map(len, chains)) >= WAITING_MAX

    def _rest(self, delivery: _Delivery, planned: Round) -> None:
        """Go on at once while there is more and messages are taken; the longer none is, the longer the
        receiver is left alone."""
        now_s = self._monotonic()
        if planned.failed and not planned.taken:
            delivery.failures += 1
            delivery.rests_until_s = now_s + min(BACK_OFF_S_MAX, 2.0 ** min(delivery.failures, 10) / 2)
            return
        if planned.taken:
            delivery.failures = 0
        if planned.more and (planned.taken or not planned.chains):
            delivery.rests_until_s = now_s

    async def _write(self, use_case: UseCase[C, R], command: C, *, later: bool = False) -> R | None:
        """The command's result, or None if it was not written."""
        try:
            outcomes: list[Outcome[R]] = await self._writer.submit(use_case, [command], later=later)
        except QueueFull:
            return None
        outcome = outcomes[0]
        if not isinstance(outcome, NotWritten):
            return outcome
        if not isinstance(outcome.cause, (DatabaseUnavailable, Contended, QueueFull)):
            log.error("webhooks.write_failed", reason=reason(outcome.cause))
        return None
