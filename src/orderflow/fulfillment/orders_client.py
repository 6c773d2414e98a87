"""Status updates back to the Order Service: in bulk, retried, one at a time per order by construction."""

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import aiohttp
import structlog
from pydantic_core import from_json, to_json

from orderflow.contracts.orders_api import BATCH_MAX
from orderflow.crashpoints import crash_point
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import attentions, durable, model
from orderflow.fulfillment.attentions import Attention, ClaimAttentions
from orderflow.fulfillment.model import OpenGate, Shipment, State
from orderflow.fulfillment.moves import Mover
from orderflow.fulfillment.vitals import Vitals, wait_for

log = structlog.get_logger()

CALL_S_MAX = 10.0
BACKOFF_MS = 100
BACKOFF_MS_MAX = 5_000
WAIT_S = 1.0
ATTENTIONS_MAX = 200
ATTENTION_PAUSE_S = 1.0
LOOP = "orders"

_BULK_REFUSALS = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Order Service said about one update; the current status only with a 409."""

    status: int
    current_status: str | None = None


class OrdersUnavailable(Exception):
    """The bulk was not answered in a way that can be relied on: an outage, theirs or ours. Transient."""


class BulkRefused(Exception):
    """The Order Service does not take the bulk as such, because of something in it; nothing was applied."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the Order Service refused a bulk with {status}")
        self.status = status


class OrdersClient:
    """`PATCH /api/orders/status` (CONTRACT, "Order Service HTTP"). No redirects, no proxies."""

    def __init__(self, url: str, *, api_key: str | None = None, timeout_s: float = CALL_S_MAX) -> None:
        """`api_key` travels as a bearer token and never appears in an error."""
        self._url = url.rstrip("/") + "/api/orders/status"
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def patch(self, updates: Sequence[dict[str, Any]]) -> list[Answer]:
        """One answer per update, in order. Raises OrdersUnavailable, BulkRefused."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        headers = self._headers | {"X-Correlation-ID": str(uuid.uuid4())}
        try:
            async with self._session.patch(
                self._url, data=to_json({"updates": updates}), headers=headers, allow_redirects=False
            ) as response:
                body = await response.read() if response.status == 200 else b""
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OrdersUnavailable(f"{type(error).__name__}: {error}"[:300]) from error
        if status in _BULK_REFUSALS:
            raise BulkRefused(status)
        if status != 200:
            raise OrdersUnavailable(f"the Order Service answered {status}")
        return _answers(body, len(updates))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _answers(body: bytes, expected: int) -> list[Answer]:
    try:
        results = cast("list[dict[str, Any]]", from_json(body)["results"])
        answers = [_answer(result) for result in results]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OrdersUnavailable("the Order Service's answer cannot be read") from None
    if len(answers) != expected:
        raise OrdersUnavailable(f"the Order Service gave {len(answers)} answers to {expected} updates")
    return answers


def _answer(result: dict[str, Any]) -> Answer:
    status: Any = result["status"]
    if not isinstance(status, int):
        raise TypeError
    problem = cast("dict[str, Any]", result.get("problem") or {})
    current = problem.get("currentStatus")
    return Answer(status, current if isinstance(current, str) else None)


class StatusSender:
    """Sends what shipments owe to the Order Service, and opens their gates.

    An outage keeps everything queued and burns nobody's attempts. `open_gates` gets the shipments whose
    Processing was acknowledged. `jitter` is 0 to 1.
    """

    def __init__(
        self,
        client: OrdersClient,
        writer: GroupCommit,
        mover: Mover,
        vitals: Vitals,
        *,
        open_gates: Callable[[Sequence[Shipment]], object],
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._writer = writer
        self._mover = mover
        self._vitals = vitals
        self._open_gates = open_gates
        self._jitter = jitter
        self._sleep = sleep
        self._queue: deque[Shipment] = deque()
        self._wake = asyncio.Event()
        self._sending = 0
        self._failures = 0

    @property
    def owed(self) -> int:
        """Updates in memory that are not acknowledged and written down yet."""
        return len(self._queue) + self._sending

    def accept(self, shipments: Sequence[Shipment]) -> None:
        """Send the update that each one's state owes; this worker holds them."""
        self._queue.extend(shipments)
        self._wake.set()

    def abandon(self) -> None:
        """Drop everything: other workers may have it already."""
        self._queue.clear()

    async def run_once(self, loop: str = LOOP) -> int:
        """One bulk and what its answers mean; the number of updates answered."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        if not batch:
            return 0
        self._sending += len(batch)
        try:
            answers = await self._send([model.status_update(shipment) for shipment in batch])
            crash_point("status.answered")
            pairs = list(zip(batch, answers, strict=True))
            self._queue.extendleft(shipment for shipment, answer in reversed(pairs) if answer is None)
            answered = [(shipment, answer) for shipment, answer in pairs if answer is not None]
            await self._settle(answered, loop)
        finally:
            self._sending -= len(batch)
        return len(answered)

    async def _settle(self, answered: Sequence[tuple[Shipment, Answer]], loop: str) -> None:
        opened: list[Shipment] = []
        decisions: list[tuple[Shipment, model.Written]] = []
        for shipment, answer in answered:
            decision = model.after_answer(shipment.state, answer.status, answer.current_status)
            if isinstance(decision, OpenGate):
                opened.append(replace(shipment, state=State.READY))
            else:
                decisions.append((shipment, decision))
        self._open_gates(opened)
        if decisions:
            await self._mover.move(decisions, loop=loop)

    async def _send(self, updates: Sequence[dict[str, Any]]) -> list[Answer | None]:
        """An answer each, None for those that an outage left without one. A refused bulk is halved until
        the one that is refused for good stands alone."""
        answers: list[Answer | None] = [None] * len(updates)
        parts = [(0, len(updates))]
        while parts:
            start, end = parts.pop()
            try:
                answers[start:end] = await self._patch(updates[start:end])
            except BulkRefused as error:
                middle = (start + end) // 2
                if middle == start:
                    answers[start] = Answer(error.status)
                else:
                    parts += [(middle, end), (start, middle)]
            except OrdersUnavailable as error:
                self._failures += 1
                self._vitals.trouble("orders", str(error))
                return answers
        self._failures = 0
        self._vitals.recovered("orders")
        return answers

    async def _patch(self, updates: Sequence[dict[str, Any]]) -> list[Answer]:
        """Where not one update gets through, it is no matter of these orders. Raises OrdersUnavailable."""
        answers = await self._client.patch(updates)
        if all(model.is_outage(answer.status) for answer in answers):
            raise OrdersUnavailable(f"the Order Service answered {answers[0].status} to every update")
        return answers

    async def send_attentions(self) -> int:
        """Tell the Order Service which orders need a person; the number that it heard of.

        Raises what the database says.
        """
        claimed = await self._writer.submit_one(attentions.claim, ClaimAttentions(ATTENTIONS_MAX))
        if not claimed:
            return 0
        answers = await self._send([attentions.status_update(attention) for attention in claimed])
        heard: list[Attention] = []
        for attention, answer in zip(claimed, answers, strict=True):
            if answer is None or model.is_outage(answer.status):
                continue  # due again in a while
            heard.append(attention)
            if answer.status != 204:
                log.error("attention.refused", order_id=attention.order_id, status=answer.status)
        await self._writer.submit(attentions.acknowledge, heard)
        return len(heard)

    async def run(self, loop: str = LOOP) -> None:
        """One of the senders; several may run, none of them with the same update."""
        while True:
            self._vitals.progress(loop)
            await self.run_once(loop)
            if self._failures:
                backoff_ms = min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** min(self._failures, 10))
                await self._sleep(backoff_ms / 1000 * self._jitter())
            elif not self._queue:
                self._wake.clear()
                await wait_for(self._wake, WAIT_S)

    async def run_attentions(self) -> None:
        while True:
            self._vitals.progress("attentions")
            try:
                if not self._vitals.is_degraded("orders"):
                    await self.send_attentions()
            except durable.TRANSIENT as error:
                log.debug("attentions.wait", reason=str(error))
            await self._sleep(ATTENTION_PAUSE_S)
