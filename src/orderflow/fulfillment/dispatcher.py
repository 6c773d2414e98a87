"""Carrier calls: an intent is durable before each one, thousands are in flight, none has two."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from orderflow.crashpoints import crash_point
from orderflow.fulfillment.carriers import Carrier, Label, ShipmentRequest
from orderflow.fulfillment.model import (
    CallAgain,
    CallCarrier,
    RecordLabel,
    RecordRejection,
    Shipment,
    State,
    after_call,
)
from orderflow.fulfillment.moves import Mover
from orderflow.fulfillment.vitals import Vitals, wait_for

INTENTS_MAX = 1_000
WAIT_S = 1.0
LOOP = "dispatcher"


class Dispatcher:
    """Calls the carrier for accepted shipments, at most `in_flight_max` at once.

    `on_outcome` gets each shipment whose outcome was recorded. `jitter` is 0 to 1.
    """

    def __init__(
        self,
        mover: Mover,
        carrier: Carrier,
        vitals: Vitals,
        *,
        in_flight_max: int,
        on_outcome: Callable[[Sequence[Shipment]], object],
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._mover = mover
        self._carrier = carrier
        self._vitals = vitals
        self._in_flight_max = in_flight_max
        self._on_outcome = on_outcome
        self._jitter = jitter
        self._sleep = sleep
        self._ready: deque[Shipment] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._intending = 0
        self._wake = asyncio.Event()
        self._draining = False
        self._failure: BaseException | None = None

    @property
    def in_flight(self) -> int:
        """Shipments with an intent whose outcome is not recorded yet."""
        return len(self._calls) + self._intending

    def accept(self, shipments: Sequence[Shipment]) -> None:
        """Call the carrier for these, in turn: their gates are open, and this worker holds them."""
        self._ready.extend(shipments)
        self._wake.set()

    def drain(self) -> None:
        """Begin no new calls."""
        self._draining = True

    def abandon(self) -> None:
        """Drop everything: other workers may have it already."""
        self._ready.clear()
        for call in self._calls:
            call.cancel()

    async def run_once(self) -> int:
        """Write the intents of as many ready shipments as may be in flight, and call the carrier for them;
        the number of calls begun. Raises what a call met that is a defect of ours."""
        if self._failure is not None:
            raise self._failure
        free = min(self._in_flight_max - self.in_flight, len(self._ready), INTENTS_MAX)
        if self._draining or free <= 0:
            return 0
        batch = [self._ready.popleft() for _ in range(free)]
        self._intending = len(batch)
        try:
            intended = await self._mover.move([(s, CallCarrier()) for s in batch], loop=LOOP)
            crash_point("intent.recorded")
            for shipment, written in zip(batch, intended, strict=True):
                if written:
                    self._begin(replace(shipment, state=State.CALLING, attempts=shipment.attempts + 1))
        finally:
            self._intending = 0
        return sum(intended)

    async def run(self) -> None:
        while True:
            self._vitals.progress(LOOP)
            if await self.run_once() == 0:
                self._wake.clear()
                if self._failure is None and (not self._ready or self._is_full):
                    await wait_for(self._wake, WAIT_S)

    @property
    def _is_full(self) -> bool:
        return self._draining or self.in_flight >= self._in_flight_max

    def _begin(self, shipment: Shipment) -> None:
        call = asyncio.get_running_loop().create_task(self._ship(shipment))
        self._calls.add(call)
        call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and call.exception() is not None:
            self._failure = call.exception()
        if self._ready or self._failure:
            self._wake.set()

    async def _ship(self, shipment: Shipment) -> None:
        quick_retries = 0
        while True:
            outcome = await self._call(shipment)
            crash_point("carrier.answered")
            decision = after_call(outcome, quick_retries=quick_retries, waits=shipment.waits)
            if not isinstance(decision, CallAgain):
                break
            quick_retries += 1
            await self._sleep(max(decision.after_s, decision.jitter_ms / 1000 * self._jitter()))
            if not (await self._mover.move([(shipment, CallCarrier())]))[0]:
                return
            shipment = replace(shipment, attempts=shipment.attempts + 1)
        if not (await self._mover.move([(shipment, decision)]))[0]:
            return
        crash_point("outcome.recorded")
        if isinstance(decision, RecordLabel):
            self._on_outcome([replace(shipment, state=State.SHIPPED, label=decision.label)])
        elif isinstance(decision, RecordRejection):
            self._on_outcome([replace(shipment, state=State.REJECTED, error=decision.error)])

    async def _call(self, shipment: Shipment) -> Label | Exception:
        request = ShipmentRequest(shipment.order_id, shipment.idempotency_key, shipment.request)
        try:
            return await self._carrier.create_shipment(request)
        except Exception as error:
            return error
