"""The loop that delivers: each endpoint by one process at a time, and each order's messages one after the
other.

A round takes some messages of an endpoint, sends them, and records what became of them. A message is not sent
before the earlier ones of its order were taken or are dead letters. If this process dies between the sending
and the recording, the same messages are sent again, with the same ids.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

import structlog

from orderflow.contracts.webhooks import EVENT_OF_STATUS
from orderflow.database.batch import NotWritten, Outcome, UseCase
from orderflow.database.engine import DatabaseUnavailable, Reader, reason
from orderflow.database.group_commit import Contended, GroupCommit, QueueFull
from orderflow.orders.stream import Page
from orderflow.orders.webhooks import queue
from orderflow.orders.webhooks.endpoints import LEASE_MS, Claim, Endpoint, Release, claim, release
from orderflow.orders.webhooks.messages import payload
from orderflow.orders.webhooks.queue import Look, Message, Record, record
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
POLL_S = 0.5
BACK_OFF_S_MAX = 60.0
MESSAGES_A_ROUND_MAX = 100
IN_FLIGHT_MAX = 10
"""Of one endpoint."""
FAILED_A_ROUND_MAX = 10
"""After so many failures and no success a round sends nothing more."""
RECORD_PAUSE_S = 0.5
CLOSE_S_MAX = 5.0

Chain = list[Message]
"""Messages of one order, which are sent one after the other."""


@dataclass(slots=True)
class _Delivery:
    """An endpoint that this process has. `failures` counts the rounds in a row in which nothing was taken."""

    endpoint: Endpoint
    leased_until_s: float
    due_at_s: float = 0.0
    failures: int = 0
    round: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Round:
    """What a round sends: `chains`, while all of `fresh` is new. `blocked` is new as well, and waits for
    earlier messages of its orders."""

    chains: list[Chain]
    fresh: list[Message]
    blocked: list[Message]
    position: int
    """Behind the last change that was looked at."""
    attempts: dict[int, Attempt] = field(default_factory=dict[int, Attempt])
    """What happened, by the positions of messages that were sent."""

    @property
    def taken(self) -> int:
        return sum(attempt.delivered for attempt in self.attempts.values())

    @property
    def failed(self) -> int:
        return len(self.attempts) - self.taken


class Deliverer:
    """One loop, with a task for each endpoint that is in a round. `schedule_s` are the waits between
    attempts; `clock` gives the time for people and retries, `monotonic` gives seconds."""

    def __init__(
        self,
        writer: GroupCommit,
        reader: Reader,
        sender: Sender,
        *,
        schedule_s: Sequence[float] = SCHEDULE_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._reader = reader
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

    def start(self) -> None:
        self.loop.start()

    async def close(self) -> None:
        """Send nothing more, record what was sent, and free the endpoints for another process."""
        self._is_closing = True
        await self.loop.stop()
        rounds = [each.round for each in self._mine.values() if each.round is not None]
        if rounds:
            _, late = await asyncio.wait(rounds, timeout=CLOSE_S_MAX)
            for each in late:
                each.cancel()
            await asyncio.gather(*rounds, return_exceptions=True)
        await self._write(release, Release(self._owner), later=True)
        await self._sender.close()

    def _pause_s(self) -> float:
        idle = [each.due_at_s for each in self._mine.values() if each.round is None]
        return min([self._claim_at_s, *idle]) - self._monotonic()

    async def run_once(self) -> None:
        """Renew the leases if it is time, and begin a round at each endpoint that is due. Raises what went
        wrong in a round."""
        if self._monotonic() >= self._claim_at_s:
            await self._claim()
        for delivery in list(self._mine.values()):
            if delivery.round is not None and delivery.round.done():
                done, delivery.round = delivery.round, None
                done.result()
            if delivery.round is None and self._monotonic() >= delivery.due_at_s:
                delivery.round = asyncio.create_task(self._round(delivery))
                delivery.round.add_done_callback(lambda _: self.loop.wake())

    async def _claim(self) -> None:
        began_s = self._monotonic()
        self._claim_at_s = began_s + CLAIM_PAUSE_S
        found = await self._write(claim, Claim(self._owner), later=True)
        if found is None:
            return
        leased_until_s = began_s + LEASE_MS / 1000
        for endpoint in found:
            known = self._mine.get(endpoint.endpoint_id)
            if known is None:
                self._mine[endpoint.endpoint_id] = _Delivery(endpoint, leased_until_s)
            else:
                known.leased_until_s = leased_until_s
                if known.round is None:
                    known.endpoint = endpoint
        gone = self._mine.keys() - {endpoint.endpoint_id for endpoint in found}
        for endpoint_id in gone:
            # A round that is under way ends within its lease, and is not recorded.
            if self._mine[endpoint_id].round is None:
                del self._mine[endpoint_id]

    async def _round(self, delivery: _Delivery) -> None:
        """Send what is due at one endpoint, and record it."""
        endpoint = delivery.endpoint
        delivery.due_at_s = self._monotonic() + POLL_S
        try:
            found = await self._reader.run(queue.look, endpoint.endpoint_id, endpoint.position)
        except DatabaseUnavailable:
            return
        size = 1 if delivery.failures else MESSAGES_A_ROUND_MAX
        planned = plan(endpoint, found, self._clock(), size)
        missed = _missed(endpoint, found.page)
        if missed:
            log.error("webhooks.missed", endpoint=endpoint.endpoint_id, changes=missed)
        if not planned.chains and not planned.blocked and planned.position == endpoint.position:
            return
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        await asyncio.gather(*(self._send(delivery, planned, chain, slots) for chain in planned.chains))
        crash_point("webhooks.sent")
        await self._record(delivery, planned, missed)

    async def _send(
        self, delivery: _Delivery, planned: _Round, chain: Chain, slots: asyncio.Semaphore
    ) -> None:
        """Send the messages of one order, until one of them is not taken."""
        endpoint = delivery.endpoint
        for message in chain:
            async with slots:
                if not self._may_send(delivery, planned):
                    return
                attempt = await self._sender.send(endpoint.url, endpoint.secret, message.id, message.payload)
            planned.attempts[message.position] = attempt
            if not attempt.delivered:
                return

    def _may_send(self, delivery: _Delivery, planned: _Round) -> bool:
        """Whether an attempt would end within the lease, and the receiver has not failed all others."""
        ends_s = self._monotonic() + self._sender.timeout_s
        gives_up = not planned.taken and planned.failed >= FAILED_A_ROUND_MAX
        return not self._is_closing and not gives_up and ends_s <= delivery.leased_until_s

    async def _record(self, delivery: _Delivery, planned: _Round, missed: int) -> None:
        now = self._clock()
        endpoint = _after(delivery.endpoint, planned, missed, now)
        fresh = {message.position for message in planned.fresh}
        sent = [message for chain in planned.chains for message in chain]
        taken = [m.position for m in sent if _is_taken(m, planned)]
        kept = [
            self._tried(message, planned.attempts.get(message.position), now)
            for message in sent
            if not _is_taken(message, planned)
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
        self._schedule_next(delivery, planned)

    def _tried(self, message: Message, attempt: Attempt | None, now: datetime) -> Message:
        """The message after an attempt that failed, or after none."""
        if attempt is None:
            return message
        attempts = message.attempts + 1
        if attempts > len(self._schedule_s):
            return message._replace(attempts=attempts, reason=attempt.detail, dead_at=now)
        due_at = now + timedelta(seconds=self._schedule_s[attempts - 1])
        return message._replace(attempts=attempts, reason=attempt.detail, due_at=due_at)

    def _count(self, planned: _Round, kept: Sequence[Message], endpoint: Endpoint) -> None:
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

    def _schedule_next(self, delivery: _Delivery, planned: _Round) -> None:
        """Go on at once while messages are taken; the longer none is, the longer the receiver is left
        alone."""
        now_s = self._monotonic()
        if planned.taken:
            delivery.failures = 0
            delivery.due_at_s = now_s
        elif planned.failed:
            delivery.failures += 1
            delivery.due_at_s = now_s + min(BACK_OFF_S_MAX, 2.0 ** min(delivery.failures, 10) / 2)
        elif not planned.chains:
            delivery.due_at_s = now_s

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


def plan(endpoint: Endpoint, found: Look, now: datetime, size: int) -> _Round:
    """What to send now: about `size` messages, half of them new ones if there are so many of both. While
    nothing is taken, that is a new one, so that messages which always fail hold nobody up."""
    waiting: dict[str, Chain] = {}
    for message in found.waiting:
        waiting.setdefault(message.order_id, []).append(message)
    due = [chain for chain in waiting.values() if chain[0].due_at <= now]
    made = _Round([], [], [], endpoint.position)
    fresh: dict[str, Chain] = {}
    room = max(1, size - min(len(due), size // 2))
    for position, change in found.page.changes:
        if len(made.fresh) == room:
            break
        made.position = position + 1
        if not _is_wanted(endpoint, change.status):
            continue
        message = Message(position, change.order_id, change.version, payload(position, change), 0, now)
        if change.order_id in waiting:
            made.blocked.append(message)
            continue
        made.fresh.append(message)
        fresh.setdefault(change.order_id, []).append(message)
    made.chains = [*fresh.values(), *islice(due, max(0, size - len(made.fresh)))]
    return made


def _is_wanted(endpoint: Endpoint, status: str) -> bool:
    return endpoint.event_types is None or EVENT_OF_STATUS[status] in endpoint.event_types


def _missed(endpoint: Endpoint, page: Page) -> int:
    """How many changes were removed before they were looked at."""
    return page.changes[0][0] - endpoint.position if page.changes else 0


def _is_taken(message: Message, planned: _Round) -> bool:
    attempt = planned.attempts.get(message.position)
    return attempt is not None and attempt.delivered


def _after(endpoint: Endpoint, planned: _Round, missed: int, now: datetime) -> Endpoint:
    """The endpoint after a round."""
    failing_since, last_error = endpoint.failing_since, endpoint.last_error
    failed = [attempt.detail for attempt in planned.attempts.values() if not attempt.delivered]
    if planned.taken:
        failing_since = last_error = None
    elif failed:
        failing_since = failing_since or now
    return endpoint._replace(
        position=planned.position,
        missed=endpoint.missed + missed,
        failing_since=failing_since,
        last_error=failed[-1] if failed else last_error,
    )
