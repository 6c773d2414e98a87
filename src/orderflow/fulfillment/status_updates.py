"""Status updates to the Order Service: in bulk, retried, and by construction one at a time per order."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from orderflow.contracts.orders_api import BATCH_MAX
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import attentions, decisions, model, traces, until_written
from orderflow.fulfillment.attentions import Attention, ClaimAttentions
from orderflow.fulfillment.breaker import Circuit, CircuitBreaker
from orderflow.fulfillment.model import Close, GoOn, OpenGate, Shipment
from orderflow.fulfillment.orders_answers import Acknowledged, Answer, Unanswered
from orderflow.fulfillment.orders_client import BulkRefused, OrdersClient, OrdersUnavailable
from orderflow.fulfillment.recorder import Recorder
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop
from orderflow.runtime.telemetry import tracing

log = structlog.get_logger()

WAIT_S = 1.0
SENDERS = 2
ATTENTIONS_MAX = 200
ATTENTION_PAUSE_S = 1.0
LOOP = "orders"


class CircuitOpen(Exception):
    """The bulk was not sent: the circuit is open, and no probe has succeeded yet."""


class StatusSender:
    """Sends the updates that shipments owe to the Order Service, and opens their gates.

    In an outage everything stays queued and no shipment uses up a wait: there are quick retries with growing
    pauses and then, while the circuit is open, a probe now and then. `open_gates` gets the shipments whose
    Processing was acknowledged, `go_on` those whose Shipped was and that have a step left, and those whose
    saga has turned back. `jitter` is 0 to 1.
    """

    def __init__(
        self,
        client: OrdersClient,
        writer: GroupCommit,
        recorder: Recorder,
        health: Health,
        breaker: CircuitBreaker,
        *,
        open_gates: Callable[[Sequence[Shipment]], object],
        go_on: Callable[[Sequence[Shipment]], object],
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._writer = writer
        self._recorder = recorder
        self._health = health
        self._breaker = breaker
        self._open_gates = open_gates
        self._go_on = go_on
        self._jitter = jitter
        self._monotonic = monotonic
        self._queue: deque[Shipment] = deque()
        self._wake = asyncio.Event()
        self._sending = 0
        self._closing: set[asyncio.Task[list[Shipment | None]]] = set()
        """Writes that close shipments. The Order Service has acknowledged those; if a write is lost, it is
        told again."""
        self._failure: BaseException | None = None
        self._failures = 0
        self._not_before = 0.0
        """When the Order Service may be tried again after a failure, in monotonic seconds."""
        self._life = 0
        """Rises with each `abandon`: answers to what was sent before are ignored."""
        self.loops = [self._sender(f"{LOOP}-{number}", health) for number in range(SENDERS)]
        self.loops.append(
            TaskLoop("attentions", self._turn_attentions, health=health, pause_s=lambda: ATTENTION_PAUSE_S)
        )

    def _sender(self, name: str, health: Health) -> TaskLoop:
        """One of several loops that share the queue; no two send the same update."""
        return TaskLoop(
            name, lambda: self.run_once(name), health=health, pause_s=self._pause_s, signal=self._wake
        )

    @property
    def owed(self) -> int:
        """How many updates in memory are not both acknowledged and written down yet."""
        return len(self._queue) + self._sending + len(self._closing)

    def accept(self, shipments: Iterable[Shipment]) -> None:
        """Send the update that each shipment's state owes. This worker holds the shipments."""
        self._queue.extend(shipments)
        self._wake.set()

    def abandon(self) -> None:
        """Drop everything: other workers may own it already."""
        self._life += 1
        self._queue.clear()
        for closing in self._closing:
            closing.cancel()

    async def run_once(self, loop: str = LOOP) -> int:
        """Send one bulk and act on its answers. Returns the number of updates answered. Raises errors that
        show a defect of ours."""
        if self._failure is not None:
            raise self._failure
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        if not batch:
            return 0
        self._sending += len(batch)
        life = self._life
        try:
            began_ns = tracing.now_ns()
            answers = await self._send([model.status_update(shipment) for shipment in batch])
            traces.reported(batch, answers, began_ns)
            crash_point("status.answered")
            if life != self._life:
                return 0
            pairs = list(zip(batch, answers, strict=True))
            self._queue.extendleft(shipment for shipment, answer in reversed(pairs) if answer is None)
            answered = [(shipment, answer) for shipment, answer in pairs if answer is not None]
            await self._settle(answered, loop)
        finally:
            self._sending -= len(batch)
        return len(answered)

    async def _settle(self, answered: Sequence[tuple[Shipment, Answer]], loop: str) -> None:
        opened: list[Shipment] = []
        finishing: list[Shipment] = []
        closed: list[tuple[Shipment, model.Written]] = []
        others: list[tuple[Shipment, model.Written]] = []
        for shipment, answer in answered:
            decision = decisions.after_answer(shipment, answer)
            if isinstance(decision, OpenGate):
                opened.append(shipment)
            elif isinstance(decision, GoOn):
                finishing.append(decision.shipment)
            elif isinstance(decision, Close):
                closed.append((shipment, decision))
            else:
                others.append((shipment, decision))
        self._open_gates(opened)
        self._go_on(finishing)
        if closed:
            closing = asyncio.create_task(self._recorder.record(closed, later=True))
            self._closing.add(closing)
            closing.add_done_callback(self._closed)
        if others:
            life = self._life
            written = await self._recorder.record(others, loop=loop)
            if life == self._life:
                self._go_on([shipment for shipment in written if shipment is not None])

    def _closed(self, closing: asyncio.Task[list[Shipment | None]]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and closing.exception() is not None:
            self._failure = closing.exception()
            self._wake.set()

    async def _send(self, updates: Sequence[dict[str, Any]]) -> list[Answer | None]:
        """An answer for each update, None where an outage prevented one. A refused bulk is halved until the
        update that is refused for good stands alone."""
        answers: list[Answer | None] = [None] * len(updates)
        parts = [(0, len(updates))]
        while parts:
            start, end = parts.pop()
            try:
                answers[start:end] = await self._patch(updates[start:end])
            except BulkRefused as error:
                middle = (start + end) // 2
                if middle == start:
                    answers[start] = error.refused
                else:
                    parts += [(middle, end), (start, middle)]
            except CircuitOpen:
                return answers
            except OrdersUnavailable as error:
                self._failures += 1
                self._not_before = self._monotonic() + self._backoff_s(error.retry_after_s)
                self._health.trouble("orders", str(error))
                return answers
        self._failures = 0
        self._health.recovered("orders")
        return answers

    async def _patch(self, updates: Sequence[dict[str, Any]]) -> list[Answer]:
        """One answer per update. If every answer is an outage, the service counts as down, rather than these
        updates as failed. Raises OrdersUnavailable, BulkRefused, CircuitOpen."""
        permit = self._breaker.permit()
        if permit is None:
            raise CircuitOpen
        try:
            answers = await self._client.patch(updates)
            unanswered = [answer for answer in answers if isinstance(answer, Unanswered)]
            if len(unanswered) == len(answers):
                raise OrdersUnavailable(f"{unanswered[0].reason} to every update")
        except OrdersUnavailable as error:
            self._breaker.failed(permit, str(error), retry_after_s=error.retry_after_s)
            raise
        except BulkRefused:
            self._breaker.succeeded(permit)
            raise
        except BaseException:
            self._breaker.abandoned(permit)
            raise
        self._breaker.succeeded(permit)
        return answers

    async def send_attentions(self) -> int:
        """Tell the Order Service which orders need a person. Returns for how many it gave a final answer.

        Raises the database's errors.
        """
        claimed = await self._writer.submit_one(attentions.claim, ClaimAttentions(ATTENTIONS_MAX))
        if not claimed:
            return 0
        answers = await self._send([attentions.status_update(attention) for attention in claimed])
        heard: list[Attention] = []
        for attention, answer in zip(claimed, answers, strict=True):
            if answer is None or isinstance(answer, Unanswered):
                continue  # due again in a while
            heard.append(attention)
            if not isinstance(answer, Acknowledged):
                log.error(
                    "attention.refused",
                    order_id=attention.order_id,
                    correlation_id=attention.correlation_id,
                    answer=repr(answer),
                )
        await self._writer.submit(attentions.acknowledge, heard)
        return len(heard)

    def _pause_s(self) -> float:
        """Seconds to wait for something to send, or until the Order Service may be tried again."""
        if self._failure is not None:
            return 0.0
        if not self._queue:
            return WAIT_S
        if self._breaker.circuit is not Circuit.CLOSED:
            return self._breaker.wait_s
        return 0.0 if self._failures == 0 else self._not_before - self._monotonic()

    def _backoff_s(self, retry_after_s: float) -> float:
        backoff_ms = decisions.QUICK_RETRY_MS * 2 ** min(self._failures - 1, decisions.QUICK_RETRIES_MAX)
        return max(retry_after_s, backoff_ms / 1000 * self._jitter())

    async def _turn_attentions(self) -> None:
        try:
            if self._breaker.wait_s == 0:
                await self.send_attentions()
        except until_written.TRANSIENT as error:
            log.debug("attentions.wait", reason=str(error))
